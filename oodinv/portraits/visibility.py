"""How much light arrives at each point of a head: soft shadows and dimmed folds from a cloud of points.

A direction's depth map is made by dropping all points into a coarse grid seen from that direction and keeping the
nearest depth of each cell; a point sees the light as far as its cell and the neighbouring cells hold nothing nearer.
The grid is as coarse as the lamp is large, which makes the shadows soft.
"""

import numpy as np
from jaxtyping import Float

_SPAN = 0.44  # metres across a depth map
_MIDDLE = np.array([0.0, -0.03, 0.60], np.float32)  # its centre, in the head


def arriving(
    receivers: Float[np.ndarray, "receivers 3"],
    occluders: Float[np.ndarray, "occluders 3"],
    direction: Float[np.ndarray, " 3"],
    *,
    cell: float,
    bias: float,
    soft: int,
) -> Float[np.ndarray, " receivers"]:
    """Share of a distant light that arrives at each receiver, 0 … 1.

    Args:
        receivers: Points that are lit.
        occluders: Points that stop light, denser than ``cell``.
        direction: Where the light comes from.
        cell: Width of a cell of the depth map, metres.
        bias: How much nearer an occluder must be to count, metres.
        soft: Half width of the penumbra, in cells.
    """
    ahead = direction / np.linalg.norm(direction)
    side = np.cross(ahead, [0.0, 0.0, 1.0])
    side /= max(float(np.linalg.norm(side)), 1e-9)
    frame = np.stack([side, np.cross(side, ahead), ahead]).T.astype(np.float32)
    edge = soft + 1
    count = int(_SPAN / cell) + 2 * edge

    def project(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of each point's cell, and depth."""
        seen = (points.astype(np.float32) - _MIDDLE) @ frame
        place = np.clip(seen[:, :2] * np.float32(1 / cell) + np.float32(count / 2), edge, count - edge - 1)
        column, row = place.astype(np.int32).T
        return row * count + column, seen[:, 2]

    index, depth = project(occluders)
    nearest = np.full(count * count, -1.0, np.float32)
    np.maximum.at(nearest, index, depth)
    nearest = _filled(nearest.reshape(count, count)).ravel()
    index, depth = project(receivers)
    limit = (depth + np.float32(1.6 * bias)) * np.float32(1 / (0.6 * bias))
    nearest *= np.float32(1 / (0.6 * bias))
    # Comparing first and averaging after is what makes a soft edge: averaged depths would make a false wall.
    total, weight = np.zeros(len(index), np.float32), 0.0
    for down in range(-soft, soft + 1):
        for right in range(-soft, soft + 1):
            if down * down + right * right > soft * soft + 0.5:
                continue
            share = float(np.exp(-(down * down + right * right) / (0.7 * soft * soft + 0.5)))
            free = limit - nearest[index + (down * count + right)]
            total += np.float32(share) * np.clip(free, 0, 1, out=free)
            weight += share
    return total / np.float32(weight)


def surrounding(
    receivers: Float[np.ndarray, "receivers 3"],
    normals: Float[np.ndarray, "receivers 3"],
    occluders: Float[np.ndarray, "occluders 3"],
    directions: int = 10,
) -> Float[np.ndarray, " receivers"]:
    """Share of the light from all around that arrives, weighted by the cosine to the normal, 0 … 1."""
    index = np.arange(directions) + 0.5
    # A spiral over the part of the sphere that a camera sees lit: nothing is behind a head but its own back.
    height = 1 - 1.45 * index / directions
    turn = index * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - height**2)
    total = np.zeros(len(receivers), np.float32)
    weight = np.full(len(receivers), 1e-3, np.float32)
    for direction in np.stack([flat * np.cos(turn), -height, flat * np.sin(turn)], axis=1):
        cosine = np.clip(normals @ direction + 0.15, 0, None).astype(np.float32)
        total += cosine * arriving(receivers, occluders, direction, cell=0.0055, bias=0.0055, soft=1)
        weight += cosine
    return total / weight


def _filled(depth: np.ndarray) -> np.ndarray:
    """Close the holes between points: a cell that is much farther than the mean of its neighbours takes that mean."""
    padded = np.pad(depth, 1, constant_values=-1.0)
    opposite = np.maximum(
        np.minimum(padded[:-2, 1:-1], padded[2:, 1:-1]), np.minimum(padded[1:-1, :-2], padded[1:-1, 2:])
    )
    return np.maximum(depth, opposite)
