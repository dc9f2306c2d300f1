"""From parameters to a coloured head: skin, brows, lips, eyes, teeth and a garment as surfaces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.hair import hair_surfaces
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import (
    Surface,
    ellipsoid,
    rotation_x,
    rotation_y,
    rotation_z,
    sheet,
)

_NECK_PIVOT_Y = -0.03  # metres; the axis a head turns about lies a little before the ears
_EYE_HEIGHT = 0.6486  # of the template


@dataclass(frozen=True, kw_only=True)
class HeadAnchors:
    """Points of one head, looking straight ahead, that accessories and framing hold on to."""

    eyes: Float[np.ndarray, "2 3"]
    """Viewer's left eye first."""
    nose_bridge: Float[np.ndarray, " 3"]
    nose_tip: Float[np.ndarray, " 3"]
    mouth: Float[np.ndarray, " 3"]
    chin: Float[np.ndarray, " 3"]
    ears: Float[np.ndarray, "2 3"]
    crown: Float[np.ndarray, " 3"]
    head_radii: Float[np.ndarray, " 2"]
    """Half width and half depth of the skull above the ears, hair included."""
    head_centre: Float[np.ndarray, " 3"]
    """Middle of the skull at the height where hats sit."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A head looking straight ahead: its surfaces, its anchors and the bare bust for things worn on the skin."""

    surfaces: tuple[Surface, ...]
    anchors: HeadAnchors
    skin: HeadShape


def build_head(mesh: AnnyMesh, params: PortraitParams) -> Head:
    """Make the surfaces of a portrait's head, neck, shoulders, hair and garment."""
    shape = mesh.shape(params)
    skin = Surface(
        vertices=shape.vertices,
        faces=mesh.faces,
        colours=paint_skin(mesh, params),
        gloss=params.gloss,
        shininess=14,
    )
    hair = hair_surfaces(mesh, shape, params)
    surfaces = (skin, *_eyes(shape, params), _teeth(mesh, shape), _garment(mesh, shape, params), *hair)
    return Head(surfaces=surfaces, anchors=_anchors(mesh, shape, params), skin=shape)


def turn(vertices: Float[np.ndarray, "vertices 3"], params: PortraitParams) -> Float[np.ndarray, "vertices 3"]:
    """Turn points by the portrait's yaw, pitch and roll; shoulders follow the head by a part of it."""
    share = np.clip((vertices[:, 2:] - 0.43) / 0.12, 0, 1)
    share = 0.35 + 0.65 * share * share * (3 - 2 * share)
    pivot = np.array([0.0, _NECK_PIVOT_Y, 0.56])
    # Rotations by a share of the angles: interpolate between the two poses the share stands for.
    low, high = (_rotation(params, part) for part in (0.35, 1.0))
    centred = vertices - pivot
    weight = (share - 0.35) / 0.65
    return centred @ low.T * (1 - weight) + centred @ high.T * weight + pivot


def _rotation(params: PortraitParams, part: float) -> Float[np.ndarray, "3 3"]:
    yaw, pitch, roll = np.radians([params.yaw, params.pitch, params.roll]) * part
    return rotation_y(roll) @ rotation_z(yaw) @ rotation_x(-pitch)


def paint_skin(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, "vertices 3"]:
    """Colour of every vertex of the bust: complexion, cheeks, lips, eyelids, brows, stubble, inside of the mouth."""
    x, y, z = mesh.template.T
    skin, hair = np.array(params.skin), np.array(params.hair)
    colours = np.repeat(skin[None], len(x), axis=0)
    front = _step(-y, 0.04, 0.08)
    cheeks = front * _bump(np.abs(x) - 0.043, 0.016) * _bump(z - 0.618, 0.016)
    ruddy = 0.10 * params.blush * (cheeks + 0.8 * _bump(x, 0.014) * _bump(z - 0.61, 0.01) * front)
    colours *= 1 - ruddy[:, None] * np.array([0.0, 1.0, 0.9])
    freckles = _speckle(mesh.template) * front * _bump(z - 0.625, 0.018) * params.freckles
    colours *= 1 - 0.3 * freckles[:, None]
    tired = front * _bump(np.abs(x) - 0.028, 0.012) * _bump(z - 0.630, 0.007)
    colours *= 1 - (0.06 + 0.16 * max(params.age - 0.7, 0) / 0.3) * tired[:, None]
    colours = _blend(colours, skin * 0.72, 0.45 * np.clip(mesh.eyelids, 0, 1))
    colours = _blend(colours, np.array(params.lips), 0.9 * np.clip(mesh.lips * 1.3, 0, 1))
    colours = _blend(colours, hair * 0.7 + skin * 0.05, brow_mask(mesh.template, params))
    colours = _blend(colours, hair * 0.8 + skin * 0.1, stubble_mask(mesh, params))
    colours = _blend(colours, np.array([0.30, 0.09, 0.09]), np.clip(mesh.mouth_inside * 2, 0, 1))
    colours = _blend(colours, np.array([0.62, 0.28, 0.27]), mesh.tongue)
    return np.clip(colours, 0, 1)


def brow_mask(template: np.ndarray, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Where brows grow: a line over each eye, thick at the nose and thin at the temple."""
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    along = np.clip((x - 0.010) / 0.042, 0, 1)
    arch = _EYE_HEIGHT + 0.0215 + 0.0065 * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) - 0.006 * along**3
    width = params.brow_width * (0.0036 - 0.0022 * along)
    ends = _step(x, 0.0085, 0.013) * (1 - _step(x, 0.048, 0.055))
    return params.brow_density * 0.92 * np.exp(-(((z - arch) / width) ** 2)) * ends * (y < -0.05)


def stubble_mask(mesh: AnnyMesh, params: PortraitParams) -> Float[np.ndarray, " vertices"]:
    """Where beard and moustache darken the skin."""
    x, y, z = mesh.template.T
    lips = 1 - np.clip(mesh.lips * 1.5, 0, 1)
    jaw = (1 - _step(z - 0.25 * np.maximum(np.abs(x) - 0.03, 0), 0.572, 0.590)) * _step(z, 0.520, 0.545)
    beside = _step(np.abs(x), 0.034, 0.056) * (1 - _step(z, 0.575, 0.625)) * _step(z, 0.52, 0.545)
    sideburn = _step(np.abs(x), 0.055, 0.062) * (1 - _step(z, 0.640, 0.660)) * _step(z, 0.54, 0.56)
    chin = np.maximum(np.maximum(jaw, beside), sideburn * (y < -0.025)) * _step(-y, 0.015, 0.035)
    moustache = _bump(z - 0.5985, 0.0055) * (1 - _step(np.abs(x), 0.026, 0.036)) * (y < -0.1)
    strength = np.maximum(chin * params.beard, np.clip(moustache * 1.4, 0, 1) * params.moustache)
    return 0.78 * strength * lips


def _eyes(shape: HeadShape, params: PortraitParams) -> list[Surface]:
    """Two eyeballs that look where the gaze goes, painted by the angle to the line of sight."""
    yaw, pitch = params.gaze_x, params.gaze_z
    gaze = rotation_z(yaw) @ rotation_x(-pitch) @ np.array([0.0, -1.0, 0.0])
    glint = np.array([0.35 * np.sign(params.key_x + 1e-9), -1.0, 0.35])
    glint /= np.linalg.norm(glint)
    eyes = []
    for centre in shape.eye_centres:
        ball = ellipsoid(
            centre, np.full(3, shape.eye_radius), np.ones(3), rings=36, rotation=rotation_x(np.pi / 2), gloss=0.35,
            shininess=60,
        )  # fmt: skip
        direction = (ball.vertices - centre) / shape.eye_radius
        angle = np.degrees(np.arccos(np.clip(direction @ gaze, -1, 1)))
        white = np.array([0.93, 0.91, 0.89])
        colours = np.repeat(white[None], len(angle), 0)
        colours = _blend(colours, np.array(params.iris) * 0.45, 1 - _step(angle, 29, 33))
        colours = _blend(colours, np.array(params.iris), 1 - _step(angle, 23, 28))
        colours = _blend(colours, np.array([0.02, 0.02, 0.02]), 1 - _step(angle, 9, 13))
        highlight = np.degrees(np.arccos(np.clip(direction @ glint, -1, 1)))
        colours = _blend(colours, np.array([1.0, 1.0, 1.0]), 0.95 * (1 - _step(highlight, 4, 8)))
        eyes.append(ball.__class__(**{**ball.__dict__, "colours": colours}))
    return eyes


def _teeth(mesh: AnnyMesh, shape: HeadShape) -> Surface:
    """The upper row of teeth: a bent strip behind the upper lip, seen when the mouth opens."""
    lip = shape.vertices[_nearest(mesh, (0.0, -0.1425, 0.592))]
    corners = shape.vertices[[_nearest(mesh, (side * 0.024, -0.125, 0.586)) for side in (-1, 1)]]
    half = 0.74 * np.abs(corners[:, 0]).mean()
    across = np.linspace(-1, 1, 25)[None]
    down = np.linspace(0.004, -0.0115, 4)[:, None]
    tooth = 0.5 + 0.5 * np.cos(across * np.pi * 8)
    points = np.stack(
        np.broadcast_arrays(half * across, lip[1] + 0.0110 + 0.013 * across**2, lip[2] + down + 0.001 * across**2),
        axis=-1,
    )
    colours = np.array([0.90, 0.87, 0.80]) * (0.86 + 0.14 * tooth[..., None] ** 0.3) * np.ones((4, 1, 1))
    return sheet(points, colours, gloss=0.3, shininess=30)


def _garment(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """A top: the body's own surface, moved out where it is covered and in above the neckline."""
    x, y, z = mesh.template.T
    front = _step(-y, 0.0, 0.05)
    opening = 0.50 - front * (0.02 + 0.05 * params.neckline)
    opening = opening + front * params.neckline_vee * np.clip(np.abs(x) - 0.01, 0, 0.07) * 0.9
    opening = opening + 0.8 * np.clip(np.abs(x) - 0.07, 0, 0.1)  # shoulders are covered
    cover = np.clip((opening - z) / 0.01, -1, 1)
    thickness = 0.005 * cover - 0.001
    folds = 1 + 0.05 * np.sin(x * 90 + z * 40) * np.cos(z * 120)
    colours = np.array(params.garment) * folds[:, None] * (0.85 + 0.15 * np.clip(cover * 2 - 0.3, 0, 1))[:, None]
    faces = mesh.faces[(cover[mesh.faces] > -0.8).any(1)]
    vertices = shape.vertices + shape.normals * thickness[:, None]
    return Surface(vertices=vertices, faces=faces, colours=np.clip(colours, 0, 1), gloss=0.02).compact()


def _anchors(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> HeadAnchors:
    vertices = shape.vertices
    x, y, z = mesh.template.T
    skull = vertices[(z > 0.68) & (z < 0.71)]
    hair = 0.0 if params.bald > 0.5 else 1.0
    crown = vertices[np.argmax(vertices[:, 2])]
    radii = np.ptp(skull[:, :2], axis=0) / 2 + hair * np.array([params.hair_side, params.hair_side])
    centre = (skull.min(0) + skull.max(0)) / 2
    return HeadAnchors(
        eyes=shape.eye_centres,
        nose_bridge=vertices[_nearest(mesh, (0.0, -0.132, 0.652))],
        nose_tip=vertices[_nearest(mesh, (0.0, -0.149, 0.611))],
        mouth=vertices[_nearest(mesh, (0.0, -0.142, 0.588))],
        chin=vertices[_nearest(mesh, (0.0, -0.129, 0.549))],
        ears=np.stack([vertices[(mesh.ears > 0.5) & (np.sign(x) == side)].mean(0) for side in (-1, 1)]),
        crown=crown + np.array([0.0, 0.0, hair * params.hair_top]),
        head_radii=radii,
        head_centre=np.array([0.0, centre[1], vertices[(z > 0.69) & (y < -0.1)][:, 2].mean()]),
    )


def _nearest(mesh: AnnyMesh, point: tuple[float, float, float]) -> int:
    return int(np.argmin(((mesh.template - np.array(point)) ** 2).sum(1)))


def _blend(colours: np.ndarray, paint: np.ndarray, weight: np.ndarray) -> np.ndarray:
    weight = np.clip(weight, 0, 1)[:, None]
    return colours * (1 - weight) + paint * weight


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _bump(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((distance / width) ** 2))


def _speckle(points: np.ndarray) -> np.ndarray:
    """Fixed freckle pattern: a product of waves, thresholded."""
    x, _, z = points.T * 1000
    waves = np.sin(x * 1.9 + np.sin(z * 1.3)) * np.sin(z * 1.7 + np.sin(x * 1.1))
    return _step(waves, 0.55, 0.8)
