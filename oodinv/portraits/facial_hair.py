"""Brows, lashes and beards as short ribbons."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.curves import step
from oodinv.portraits.paint import brow_mask, lid_edge, stubble_mask
from oodinv.portraits.params import PortraitParams
from oodinv.portraits.strands import Roots, grown, ribbons, scatter_roots
from oodinv.portraits.surfaces import Surface

_BROWS, _LASHES, _BEARD = 520, 110, 2400


class FacialRoots:
    """Roots of brows, lashes and beards, which are the same for every head."""

    def __init__(self, mesh: AnnyMesh, usual: PortraitParams) -> None:
        widest = replace(usual, brow_density=1.0, brow_width=1.5, beard=1.0, moustache=1.0)
        self.brows: Roots = scatter_roots(mesh, brow_mask(mesh.template, widest), _BROWS, 21)
        self.lashes: Roots = scatter_roots(mesh, (lid_edge(mesh.template) > 0.6).astype(float), _LASHES, 22)
        self.beard: Roots = scatter_roots(mesh, (stubble_mask(mesh, widest) > 0.15).astype(float), _BEARD, 23)


def facial_hair(
    mesh: AnnyMesh,
    roots: FacialRoots,
    shape: HeadShape,
    params: PortraitParams,
    view: Float[np.ndarray, " 3"],
) -> list[Surface]:
    """Brows and lashes, and a beard that has length."""
    surfaces = [_brows(mesh, roots.brows, shape, params, view), _lashes(mesh, roots.lashes, shape, params, view)]
    if params.beard_length > 0:
        surfaces.append(_beard(mesh, roots.beard, shape, params, view))
    return surfaces


def _brows(mesh: AnnyMesh, roots: Roots, shape: HeadShape, params: PortraitParams, view: np.ndarray) -> Surface:
    start, normals = grown(shape, roots)
    x = roots.at(mesh.template)[:, 0]
    weight = np.clip(roots.at(brow_mask(mesh.template, params)) * 1.3, 0, 1)
    along = np.clip((np.abs(x) - 0.010) / 0.042, 0, 1)
    away = np.sign(x)
    direction = np.stack([away * (0.35 + 0.65 * along), 0.1 + 0 * x, 0.75 - 1.15 * along], axis=1)
    direction += 0.35 * (roots.chance[:, :3] - 0.5) + 0.30 * normals
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = (0.0045 + 0.0035 * roots.chance[:, 0]) * (0.4 + 0.6 * weight)
    dark = np.clip(np.array(params.hair) * 0.62 + np.array(params.skin) * 0.05, 0, 1)
    return _short(start, direction, normals, length, 0.00055 * weight, dark, roots, view, bend=-0.0012)


def _lashes(mesh: AnnyMesh, roots: Roots, shape: HeadShape, params: PortraitParams, view: np.ndarray) -> Surface:
    start, normals = grown(shape, roots)
    place = roots.at(mesh.template)
    outward = (np.abs(place[:, 0]) - 0.0296) / 0.014 * np.sign(place[:, 0])
    direction = np.stack([0.55 * outward, -0.85 + 0 * outward, 0.25 + 0 * outward], axis=1)
    direction += 0.2 * (roots.chance[:, :3] - 0.5)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = (0.0042 + 0.0025 * params.liner) * (0.7 + 0.3 * roots.chance[:, 0])
    dark = np.clip(np.array(params.hair) * 0.25, 0.02, 0.3)
    width = np.full(len(length), 0.00028 + 0.00022 * params.liner)
    return _short(start, direction, normals, length, width, dark, roots, view, bend=0.0022)


def _beard(mesh: AnnyMesh, roots: Roots, shape: HeadShape, params: PortraitParams, view: np.ndarray) -> Surface:
    start, normals = grown(shape, roots)
    place = roots.at(mesh.template)
    weight = np.clip(roots.at(stubble_mask(mesh, params)) * 1.6, 0, 1)
    upper = step(place[:, 2], 0.588, 0.594) * (np.abs(place[:, 0]) < 0.036)
    direction = np.stack(
        [0.25 * place[:, 0] / 0.05 + 0.9 * upper * np.sign(place[:, 0]), 0 * weight, -1 + 0.35 * upper], axis=1
    )
    direction += 0.55 * (roots.chance[:, :3] - 0.5) + 0.30 * normals
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    low = 0.45 + 0.55 * (1 - step(place[:, 2], 0.55, 0.60))
    length = (0.004 + 0.016 * params.beard_length * low * (1 - 0.6 * upper)) * (0.6 + 0.4 * roots.chance[:, 0])
    length = length * min(1.0, 4 * params.beard_length)
    hair = np.clip(np.array(params.hair) * 0.92, 0, 1)
    return _short(start, direction, normals, length * np.sqrt(weight), 0.0012 * weight, hair, roots, view, bend=-0.004)


def _short(
    start: np.ndarray,
    direction: np.ndarray,
    normals: np.ndarray,
    length: np.ndarray,
    width: np.ndarray,
    colour: np.ndarray,
    roots: Roots,
    view: np.ndarray,
    *,
    bend: float,
) -> Surface:
    along = np.linspace(0, 1, 5)
    curves = start[:, None] - 0.0003 * normals[:, None] + direction[:, None] * (along[:, None] * length[:, None, None])
    curves[..., 2] += bend * along**2 * (length[:, None] / 0.008)
    shade = 0.75 + 0.5 * roots.chance[:, 1]
    count = len(start)
    return ribbons(
        curves,
        width=width[:, None] * (1 - 0.75 * along**2),
        colours=np.clip(colour * shade[:, None, None] * np.ones((count, 5, 1)), 0, 1),
        normals=np.repeat(normals[:, None], 5, axis=1),
        depth=np.broadcast_to(0.55 + 0.45 * along, (count, 5)) * (0.7 + 0.3 * roots.chance[:, 2:3]),
        view=view,
        strands=np.full(count, 0.6 if width.max() < 0.001 else 1.2),
        ragged=0.45,
        gloss=0.5,
    )
