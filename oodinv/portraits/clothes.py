"""Clothes: a top with crew, vee or high neck, a shirt collar, and a jacket over it."""

import numpy as np

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.curves import step
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.surfaces import Surface, faces_with, vertex_normals


def clothes(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> list[Surface]:
    """The surfaces of what a person wears below the neck."""
    surfaces = [_top(mesh, shape, params)]
    if params.collar > 0:
        surfaces.append(_collar(mesh, shape, params))
    if params.jacket > 0:
        surfaces.append(_jacket(mesh, shape, params))
    return surfaces


def _top(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """The body's own surface, moved out where it is covered and in above the neckline."""
    x, y, z = mesh.template.T
    front = step(-y, 0.0, 0.05)
    high = params.high_neck
    opening = 0.512 - front * (0.012 + 0.040 * params.neckline) * (1 - high)
    opening = opening + front * params.neckline_vee * (1 - high) * (np.clip(np.abs(x) - 0.006, 0, 0.06) * 1.1 - 0.02)
    opening = opening + 0.8 * np.clip(np.abs(x) - 0.075, 0, 0.1)  # shoulders are covered
    opening = opening + high * 0.026
    cover = np.clip((opening - z) / 0.008, -1, 1)
    hem = np.exp(-(((opening - z - 0.006) / 0.006) ** 2))
    thickness = 0.0055 * cover - 0.001 + 0.0022 * hem + 0.004 * high * step(z, 0.49, 0.52)
    colours = np.repeat(np.array(params.garment)[None], len(x), axis=0) * (0.94 + 0.08 * hem)[:, None]
    ribs = np.maximum(0.55 * hem, high * step(z, 0.47, 0.50)) * (1 - params.collar)
    return _worn(mesh, shape, thickness, cover, colours, params.weave, ribs)


def _jacket(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """An outer layer, open in front; it slides off to the shoulders as ``jacket`` falls to 0."""
    x, y, z = mesh.template.T
    front = step(-y, -0.02, 0.05)
    half = 0.052 + 0.55 * np.clip(z - 0.475, 0, 1) - 0.45 * np.clip(0.475 - z, 0, 0.12) + 0.2 * (1 - params.jacket)
    side = (np.abs(x) - half) * front + (0.512 - z) * (1 - front)
    side = np.minimum(side, 0.520 - z + 0.4 * np.abs(x))
    cover = np.clip(side / 0.015, -1, 1)
    lapel = np.exp(-(((side - 0.012) / 0.012) ** 2)) * front
    thickness = 0.015 * cover - 0.001 + 0.004 * lapel
    colours = np.repeat(np.array(params.garment_b)[None], len(x), axis=0) * (1 - 0.10 * lapel)[:, None]
    return _worn(mesh, shape, thickness, cover, colours, 0.5 + 0.5 * params.weave, 0 * x)


def _collar(mesh: AnnyMesh, shape: HeadShape, params: PortraitParams) -> Surface:
    """A shirt collar: a band about the neck that folds down, open at the throat."""
    x, y, z = mesh.template.T
    front = step(-y, 0.0, 0.05)
    top = 0.520 - 0.022 * front + 0.010 * params.collar
    gap = np.clip(np.abs(x) - 0.010 - 0.35 * np.clip(top - z, 0, 0.1), -1, 1) * front + 0.02 * (1 - front)
    point = 0.040 + 0.10 * np.exp(-(((np.abs(x) - 0.035) / 0.02) ** 2)) * front * 0.18
    side = np.minimum(np.minimum(np.minimum(top - z, z - (top - point)), gap), 0.082 - np.abs(x))
    cover = np.clip(side / 0.005, -1, 1)
    thickness = (0.012 + 0.003 * step(top - z, 0.0, 0.02)) * np.where(cover > 0, cover, 0.6 * cover) * params.collar
    colours = np.repeat(np.array(params.garment_b if params.jacket < 0.5 else params.garment)[None], len(x), axis=0)
    return _worn(mesh, shape, thickness - 0.001, cover, np.clip(colours * 1.05, 0, 1), 0.2, 0 * x)


def _worn(
    mesh: AnnyMesh,
    shape: HeadShape,
    thickness: np.ndarray,
    cover: np.ndarray,
    colours: np.ndarray,
    weave: float,
    ribs: np.ndarray,
) -> Surface:
    faces = faces_with(mesh.faces, cover > -0.8)
    vertices = shape.vertices + shape.normals * thickness[:, None]
    surface = Surface(
        vertices=vertices,
        faces=faces,
        colours=np.clip(colours, 0, 1),
        gloss=0.02,
        material="cloth",
        normals=vertex_normals(vertices, faces),
        place=mesh.template,
        detail=np.stack([np.full(len(ribs), weave), ribs, 0 * ribs, 0 * ribs], axis=1),
    )
    return surface.compact()
