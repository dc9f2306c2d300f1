"""From parameters to a coloured head: skin, brows, lips, eyes, teeth and a garment as surfaces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.eyes import eyeballs, upper_teeth
from oodinv.portraits.hair import hair_surfaces
from oodinv.portraits.paint import paint_skin, step
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import Surface


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
        shininess=14.0,
    )
    hair = hair_surfaces(mesh, shape, params)
    surfaces = (skin, *eyeballs(shape, params), upper_teeth(mesh, shape), _garment(mesh, shape, params), *hair)
    return Head(surfaces=surfaces, anchors=_anchors(mesh, shape, params), skin=shape)


def _garment(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """A top: the body's own surface, moved out where it is covered and in above the neckline."""
    x, y, z = mesh.template.T
    front = step(-y, 0.0, 0.05)
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
        nose_bridge=vertices[mesh.nearest((0.0, -0.132, 0.652))],
        nose_tip=vertices[mesh.nearest((0.0, -0.149, 0.611))],
        mouth=vertices[mesh.nearest((0.0, -0.142, 0.588))],
        chin=vertices[mesh.nearest((0.0, -0.129, 0.549))],
        ears=np.stack([vertices[(mesh.ears > 0.5) & (np.sign(x) == side)].mean(0) for side in (-1, 1)]),
        crown=crown + np.array([0.0, 0.0, hair * params.hair_top]),
        head_radii=radii,
        head_centre=np.array([0.0, centre[1], vertices[(z > 0.69) & (y < -0.1)][:, 2].mean()]),
    )
