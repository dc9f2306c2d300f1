"""Hair of the head: a dark cap that gives it body, and some thousand ribbons that grow over it, fall and curl."""

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.curves import step
from oodinv.portraits.hairline import hair_depth
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.strands import Roots, grown, ribbons, scatter_roots
from oodinv.portraits.surfaces import Surface, faces_with

COUNT = 2600
POINTS = 10


class Scalp:
    """The roots of all hair, which are the same for every head."""

    def __init__(self, mesh: AnnyMesh) -> None:
        _, y, z = mesh.template.T
        everywhere = ((y + 0.092) * 0.62 + (z - 0.712) * 0.78 + 0.012) * (z > 0.555)
        crown = step(z, 0.66, 0.72) * step(-y, -0.06, 0.06)
        # Denser where partings and hairlines are seen than at the back, which a camera never sees.
        self.roots: Roots = scatter_roots(mesh, (everywhere > 0) * (0.35 + crown), COUNT, 11)
        self.place = self.roots.at(mesh.template)


def head_hair(
    mesh: AnnyMesh, scalp: Scalp, shape: HeadShape, params: PortraitParams, view: Float[np.ndarray, " 3"]
) -> list[Surface]:
    """Cap and ribbons; nothing on a bald head.

    Args:
        mesh: Where the hairline is.
        scalp: Roots.
        shape: The head.
        params: The style.
        view: Direction to the camera, in the head's frame.
    """
    if params.bald >= 0.5:
        return []
    depth = hair_depth(mesh, params)
    return [_cap(mesh, shape, params, depth), _ribbons(scalp, shape, params, depth, view)]


def _volume(z: np.ndarray, params: PortraitParams) -> np.ndarray:
    high = np.clip((z - 0.66) / 0.07, 0, 1)
    tied = 1 - 0.6 * params.hair_up
    return (params.hair_side * (1 - high) + params.hair_top * high) * tied * (1 + 0.9 * params.hair_curl)


def _cap(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams, depth: np.ndarray) -> Surface:
    """The scalp moved out along its normals; below zero it dives under the skin, where the scalp is painted."""
    x, y, z = mesh.template.T
    swell = np.clip((depth - 0.010) / 0.03, 0, 1)
    thickness = np.where(
        depth > 0.010, 0.5 * _volume(z, params) * np.sqrt(swell), np.maximum((depth - 0.010) * 0.5, -0.004)
    )
    azimuth = np.arctan2(x, y + 0.02)
    lumps = np.sin(azimuth * 13 + z * 60) * np.sin(z * 190 + azimuth * 5) + 0.5 * np.sin(azimuth * 31 - z * 330)
    thickness = thickness * (1 + 0.25 * params.hair_curl * lumps)
    faces = faces_with(mesh.faces, depth > 0.004)
    vertices = shape.vertices + shape.normals * thickness[:, None]
    shade = 0.78 + 0.12 * lumps * params.hair_curl
    surface = Surface(
        vertices=vertices,
        faces=faces,
        colours=np.clip(np.array(params.hair)[None] * shade[:, None], 0, 1),
        gloss=0.2,
        material="hair",
        normals=shape.normals,
        place=np.stack([0 * x, 0 * x, azimuth * 3], axis=1),
        detail=np.zeros((len(x), 4)),
        tangents=np.stack([0.3 * x, 0.3 + 0 * x, -1 + 0 * x], axis=1),
        light=np.stack([0.55 + 0 * x, 1 + 0 * x], axis=1),
    )
    return surface.compact()


def _ribbons(
    scalp: Scalp, shape: HeadShape, params: PortraitParams, depth: np.ndarray, view: Float[np.ndarray, " 3"]
) -> Surface:
    roots = scalp.roots
    start, normals = grown(shape, roots)
    _, y, z = scalp.place.T
    chance = roots.chance
    inside = roots.at(depth)
    present = step(inside, -0.004 + 0.009 * chance[:, 3], 0.001 + 0.010 * chance[:, 3])
    high = np.clip((z - 0.66) / 0.07, 0, 1)
    front = step(-y, 0.02, 0.08)
    fringe = step(params.hair_fringe * front * np.clip((z - 0.69) / 0.03, 0, 1), 0.22, 0.40)
    length = 0.005 + params.hair_side * (1 - high) + 1.5 * params.hair_top * high
    length = length + params.hair_length * (0.13 + 0.27 * params.hair_length)
    length = length * (1 - 0.25 * params.hair_curl) * (1 - fringe) + (0.048 - 0.018 * params.hair_curl) * fringe
    length = length * (0.82 + 0.3 * chance[:, 0]) * (0.35 + 0.65 * step(inside, 0.0, 0.014))
    volume = _volume(z, params) * np.sqrt(np.clip(inside / 0.03, 0, 1))
    free = _fall(shape, params, start, normals, scalp.place, length, volume, fringe, chance)
    free = _curled(free, params, length, chance)
    curves = free
    if params.hair_up > 0:
        curves = free * (1 - params.hair_up) + params.hair_up * _tied(shape, params, start, volume, chance)
    along = np.linspace(0, 1, POINTS)[None]
    middle, radii = _skull(shape)
    hull = (curves - middle) / radii**2
    hull[..., 2] = np.where(curves[..., 2] < middle[2], 0.15 * hull[..., 2], hull[..., 2])
    hull = hull / np.maximum(np.linalg.norm(hull, axis=-1, keepdims=True), 1e-9)
    jitter = chance[:, 1:4] - 0.5
    hull = hull + 0.55 * jitter[:, None]
    colour = np.array(params.hair) * (0.80 + 0.42 * chance[:, 1:2] + 0.10 * (chance[:, 2:3] - 0.5))
    roots_dark = 1 - params.hair_roots * (1 - step(along * length[:, None], 0.0, 0.05))[..., None] * 0.6
    colours = np.clip(colour[:, None] * roots_dark * (0.94 + 0.14 * along[..., None]), 0, 1)
    layer = 0.5 + 0.5 * chance[:, 0:1]
    occluded = (0.45 + 0.55 * np.sqrt(along)) * layer * (0.75 + 0.25 * np.clip((curves[..., 2] - 0.56) / 0.1, 0, 1))
    broad = 0.0015 + 0.0032 * np.clip(length / 0.09, 0, 1)
    profile = np.sqrt(np.clip(along * 6 + 0.35, 0, 1)) * (1 - 0.55 * along**3)
    width = broad[:, None] * profile * present[:, None]
    # Where a strand is pushed from the face to its side it would draw a line across the forehead.
    jumps = np.linalg.norm(np.diff(free, axis=1), axis=-1) / (length / (POINTS - 1))[:, None]
    calm = 1 - (1 - params.hair_up) * (1 - params.hair_curl) * (1 - np.clip(2.6 - jumps, 0, 1))
    width[:, 1:] *= calm
    width[:, :-1] *= calm
    return ribbons(
        curves,
        width=width,
        colours=colours,
        normals=hull,
        depth=occluded,
        view=view,
        strands=0.8 + 2.2 * np.clip(length / 0.09, 0, 1),
        ragged=0.75,
        gloss=1.0 - 0.6 * params.hair_curl,
    )


def _skull(shape: HeadShape) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half axes of an ellipsoid about the skull."""
    vertices = shape.vertices
    skull = vertices[vertices[:, 2] > shape.eye_centres[0, 2] + 0.02]
    low, high = skull.min(0), skull.max(0)
    middle = np.array([0.0, (low[1] + high[1]) / 2, shape.eye_centres[0, 2] + 0.022])
    # A head is boxier than an ellipsoid of its half axes.
    return middle, 1.025 * np.array([(high[0] - low[0]) / 2, (high[1] - low[1]) / 2, high[2] - middle[2]])


def _fall(
    shape: HeadShape,
    params: PortraitParams,
    start: np.ndarray,
    normals: np.ndarray,
    place: np.ndarray,
    length: np.ndarray,
    volume: np.ndarray,
    fringe: np.ndarray,
    chance: np.ndarray,
) -> Float[np.ndarray, "ribbons points 3"]:
    """Grow every ribbon step by step: it starts as combed, bends under its weight and stays outside the head."""
    x, _, z = place.T
    middle, radii = _skull(shape)
    high = np.clip((z - 0.67) / 0.06, 0, 1)
    long = np.clip(length / 0.12, 0, 1)
    parted = np.tanh((x - 0.035 * params.hair_part) / 0.012)
    combed = np.stack(
        [
            high * parted * (0.35 + 0.75 * long) + (1 - high) * 0.15 * np.sign(x),
            high * (0.55 * (1 - long) * (1 - 2.2 * fringe) + 0.55 * long * (1 - fringe) - 1.6 * fringe)
            + (1 - high) * 0.40,
            -0.15 * high - (1 - high),
        ],
        axis=1,
    )
    combed += 0.45 * (chance[:, 1:4] - 0.5)
    combed -= (combed * normals).sum(1, keepdims=True) * normals
    combed /= np.maximum(np.linalg.norm(combed, axis=1, keepdims=True), 1e-6)
    lift = 0.16 * (1 - long) + 0.10 * high + 0.7 * params.hair_curl
    lift = np.clip(lift * (1 - 0.75 * fringe), 0, 1)[:, None]
    ahead = combed * (1 - lift) + normals * lift
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    step_length = (length / (POINTS - 1))[:, None]
    heavy = (1 - 0.8 * params.hair_curl) * (6.0 + 16.0 * long)
    cling = 0.85 * (1 - params.hair_curl) * (1 - 0.6 * fringe) * (0.6 + 0.4 * chance[:, 3])
    curves = np.empty((len(start), POINTS, 3))
    curves[:, 0] = start - 0.0008 * normals
    brow = shape.eye_centres[0, 2] + 0.020
    cheek = middle[1] - 0.55 * radii[1]
    loose = 0.007 * chance[:, 2] * (0.4 + long)
    for point in range(1, POINTS):
        before = curves[:, point - 1]
        here = before + ahead * step_length
        out = volume * min(1.0, point / 3) + loose * (point / POINTS)
        axes = radii + out[:, None]
        inside = (here - middle) / axes
        inside[:, 2] *= np.where(inside[:, 2] < 0, 0.55, 1.0)  # below its middle a head is longer than a sphere
        reach = np.linalg.norm(inside, axis=1, keepdims=True)
        target = middle + (here - middle) / np.maximum(reach, 1e-6)
        target[:, 2] = np.where(here[:, 2] < middle[2], here[:, 2], target[:, 2])
        # Combed hair keeps to the head's curve at the height its volume gives; coiled and falling hair leaves it.
        leaving = cling * np.where(here[:, 2] < middle[2], 1 - long, 1.0)
        here += np.where(reach < 1, 1.0, leaving[:, None]) * (target - here)
        # Long hair hangs beside the face, not over it; the fringe may.
        low = step(brow - here[:, 2], -0.035, 0.012) * (1 - step(fringe, 0.75, 1.0)) * long
        here[:, 1] = np.maximum(here[:, 1], here[:, 1] * (1 - low) + (cheek + 0.02 * (chance[:, 3] - 0.5)) * low)
        beside = np.sign(parted) * (radii[0] * 0.96 + out) * low
        here[:, 0] = np.where(
            (np.abs(here[:, 0]) < np.abs(beside)) & (here[:, 1] < middle[1] + 0.02), beside, here[:, 0]
        )
        curves[:, point] = here
        moved = here - before
        moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        ahead = 0.5 * ahead + 0.5 * moved
        ahead[:, 2] -= np.minimum(heavy * step_length[:, 0] * (1.0 + 1.5 * fringe), 1.2)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    return curves


def _curled(curves: np.ndarray, params: PortraitParams, length: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Waves that neighbours share, and coils of each ribbon's own."""
    along = np.linspace(0, 1, POINTS)[None] * length[:, None]
    phase = 2 * np.pi * params.hair_phase
    angle = np.arctan2(curves[:, :1, 0], curves[:, :1, 1] + 0.02)
    grow = np.clip(along / 0.05, 0, 1)
    wave = 0.010 * params.hair_wave * grow * np.sin(along * 75 + 3 * np.sin(angle * 4) + phase)
    moved = curves.copy()
    moved[..., 0] += wave * np.cos(angle)
    moved[..., 1] -= wave * np.sin(angle)
    coil = 0.0075 * params.hair_curl * np.clip(along / 0.02, 0, 1)
    turn = along * (190 + 60 * chance[:, 1:2]) + 2 * np.pi * chance[:, 2:3]
    moved[..., 0] += coil * np.cos(turn)
    moved[..., 1] += coil * np.sin(turn)
    moved[..., 2] += 0.8 * coil * np.sin(turn + 1.0 + 6 * chance[:, 3:4])
    return moved


def _tied(
    shape: HeadShape, params: PortraitParams, start: np.ndarray, volume: np.ndarray, chance: np.ndarray
) -> np.ndarray:
    """Along the skull to the back of the crown, then around a knot."""
    middle, radii = _skull(shape)
    goal = np.array([0.0, 0.62, 0.78])
    unit = (start - middle) / radii
    size = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = unit / size
    knot = middle + radii * goal * 1.22
    share = np.clip(np.linspace(0, 1, POINTS) / 0.62, 0, 1)[None, :, None]
    blended = unit[:, None] * (1 - share) + goal * share
    blended /= np.maximum(np.linalg.norm(blended, axis=-1, keepdims=True), 1e-6)
    reach = size[:, None] * (1 - share) + share
    away = (radii + (volume[:, None] + 0.002 + 0.004 * chance[:, :1])[:, None] * np.clip(share * 4, 0, 1)) * reach
    curves = middle + blended * away
    turning = np.clip((np.linspace(0, 1, POINTS) - 0.62) / 0.38, 0, 1)[None, :, None]
    angle = 2 * np.pi * (chance[:, 1:2, None] + 0.75 * turning)
    tilt = np.pi * (chance[:, 2:3, None] - 0.5)
    radius = 0.020 + 0.016 * params.hair_length * (0.8 + 0.3 * chance[:, 3:4, None])
    round_knot = radius * np.concatenate(
        [np.cos(angle), np.sin(angle) * np.cos(tilt), np.sin(angle) * np.sin(tilt)], axis=-1
    )
    return curves * (1 - step(turning, 0.0, 0.3)) + (knot + round_knot) * step(turning, 0.0, 0.3)
