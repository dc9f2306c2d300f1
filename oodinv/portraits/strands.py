"""Ribbons along curves: how hair, brows, lashes and beards become surfaces.

A ribbon is a few millimetres wide, faces the camera and stands for a handful of strands, which `shading` draws across
it and lets end at different lengths.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from oodinv.portraits.anny_mesh import AnnyMesh, HeadShape
from oodinv.portraits.surfaces import Surface


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Fixed points on the skin that ribbons grow from: the same for every head."""

    corners: Int[np.ndarray, "roots 3"]
    """Vertices of each root's triangle."""
    shares: Float[np.ndarray, "roots 3"]
    chance: Float[np.ndarray, "roots 4"]
    """Fixed random numbers of each root in [0, 1]."""

    def at(self, values: Float[np.ndarray, "vertices ..."]) -> Float[np.ndarray, "roots ..."]:
        """Values of vertices at the roots."""
        return np.einsum("rc,rc...->r...", self.shares, values[self.corners])


def scatter_roots(mesh: AnnyMesh, weight: Float[np.ndarray, " vertices"], count: int, seed: int) -> Roots:
    """Spread roots evenly over the skin where ``weight`` is above zero, as dense as it is high."""
    rng = np.random.default_rng(seed)
    a, b, c = (mesh.template[mesh.faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * np.clip(weight[mesh.faces].mean(1), 0, None)
    total = np.cumsum(area)
    # Evenly spaced draws over the cumulated area: fewer clumps and holes than independent ones.
    chosen = np.searchsorted(total, (np.arange(count) + rng.random(count)) / count * total[-1])
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    order = rng.permutation(count)
    return Roots(
        corners=mesh.faces[chosen[order]],
        shares=np.stack([1 - u - v, u, v], axis=1)[order],
        chance=rng.random((count, 4)),
    )


def ribbons(
    curves: Float[np.ndarray, "ribbons points 3"],
    *,
    width: Float[np.ndarray, "ribbons points"],
    colours: Float[np.ndarray, "ribbons points 3"],
    normals: Float[np.ndarray, "ribbons points 3"],
    depth: Float[np.ndarray, "ribbons points"],
    view: Float[np.ndarray, " 3"],
    strands: Float[np.ndarray, " ribbons"],
    ragged: float,
    gloss: float = 1.0,
) -> Surface:
    """One surface of all ribbons.

    Args:
        curves: Points from root to tip.
        width: Full width at each point, metres; a ribbon of no width is invisible.
        colours: sRGB.
        normals: Of the hull that the hair forms, which is what its broad light and shade follow.
        depth: Share of the surrounding light at each point.
        view: Direction to the camera.
        strands: Strands across each ribbon, halved.
        ragged: How unequal the strands' lengths are, 0 … 1.
        gloss: Strength of the highlights.
    """
    count, points = curves.shape[:2]
    curves = curves.astype(np.float32)
    along = np.empty_like(curves)
    along[:, 1:-1] = curves[:, 2:] - curves[:, :-2]
    along[:, 0], along[:, -1] = curves[:, 1] - curves[:, 0], curves[:, -1] - curves[:, -2]
    along /= np.maximum(np.sqrt((along**2).sum(-1, keepdims=True)), 1e-9)
    side = np.cross(along, view.astype(np.float32))
    side /= np.maximum(np.sqrt((side**2).sum(-1, keepdims=True)), 1e-3)
    half = side * (0.5 * width[..., None]).astype(np.float32)
    vertices = np.stack([curves - half, curves + half], axis=2)
    edge = np.array([-1.0, 1.0], np.float32)
    place = np.empty((count, points, 2, 3), np.float32)
    place[..., 0] = edge
    place[..., 1] = np.linspace(0, 1, points, dtype=np.float32)[None, :, None]
    place[..., 2] = np.arange(count, dtype=np.float32)[:, None, None]
    detail = np.zeros((count, points, 2, 4), np.float32)
    detail[..., 0] = strands[:, None, None]
    detail[..., 1] = ragged
    detail[..., 2] = 0.6
    rounded = normals.astype(np.float32)[:, :, None] + 0.45 * edge[:, None] * side[:, :, None]
    rounded /= np.maximum(np.sqrt((rounded**2).sum(-1, keepdims=True)), 1e-9)
    index = np.arange(count * points * 2).reshape(count, points, 2)
    # Nearest first: a renderer then skips what lies behind them.
    index = index[np.argsort(-(curves[:, points // 2] @ view.astype(np.float32)), kind="stable")]
    a, b, c, d = index[:, :-1, 0], index[:, :-1, 1], index[:, 1:, 1], index[:, 1:, 0]
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=2).reshape(-1, 3)
    light = np.ones((count, points, 2, 2), np.float32)
    light[..., 0] = depth[..., None]

    def both(values: np.ndarray) -> np.ndarray:
        return np.repeat(values.astype(np.float32).reshape(count * points, 3), 2, axis=0)

    return Surface(
        vertices=vertices.reshape(-1, 3),
        faces=faces,
        colours=both(colours),
        gloss=gloss,
        material="hair",
        normals=rounded.reshape(-1, 3),
        place=place.reshape(-1, 3),
        detail=detail.reshape(-1, 4),
        tangents=both(along),
        light=light.reshape(-1, 2),
    )


def grown(shape: HeadShape, roots: Roots) -> tuple[np.ndarray, np.ndarray]:
    """Positions and unit normals of roots on a head."""
    normals = roots.at(shape.normals)
    return roots.at(shape.vertices), normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
