"""Two-coloured patterns on surfaces, by vertex."""

from dataclasses import replace
from typing import Literal

import numpy as np

from oodinv.portraits.surfaces import Surface, rotation_x

Pattern = Literal["plain", "rings", "ribs", "panels", "weave", "checks", "dots", "flowers"]


def paint(
    surface: Surface,
    pattern: Pattern,
    first: np.ndarray,
    second: np.ndarray,
    scale: float,
    *,
    centre: np.ndarray | None = None,
    tilt: float = 0.0,
) -> Surface:
    """The same surface in two colours.

    Args:
        surface: What is coloured.
        pattern: How the colours alternate.
        first: sRGB in [0, 1].
        second: sRGB in [0, 1].
        scale: Period in metres, for ``ribs`` and ``panels`` in radians around the vertical axis.
        centre: Where that axis passes; default: the surface's middle.
        tilt: Radians the axis leans back.
    """
    middle = surface.vertices.mean(0) if centre is None else centre
    away = (surface.vertices - middle) @ rotation_x(-tilt)
    points = away + middle
    x, y, z = (points / scale).T if scale else points.T
    around = np.arctan2(away[:, 0], -away[:, 1])
    if pattern == "plain":
        share = np.zeros(len(points))
    elif pattern == "rings":
        share = (z % 1 > 0.5).astype(float)
    elif pattern == "ribs":
        share = 0.5 + 0.5 * np.sin(2 * np.pi * around / scale)
    elif pattern == "panels":
        share = (np.floor(around / np.pi * 3) % 2).astype(float)
    elif pattern == "weave":
        share = 0.5 + 0.5 * np.sin(2 * np.pi * x) * np.sin(2 * np.pi * z) * np.cos(2 * np.pi * y)
    elif pattern == "checks":
        share = ((np.floor(x) + np.floor(z)) % 2 + (np.floor(x * 2) % 2) * 0.3).clip(0, 1)
    elif pattern == "dots":
        share = (np.hypot(x % 1 - 0.5, (z + 0.5 * np.floor(x)) % 1 - 0.5) < 0.28).astype(float)
    else:
        u, v = x % 1 - 0.5, (z + 0.37 * np.floor(x)) % 1 - 0.5
        share = (np.hypot(u, v) < 0.26 + 0.13 * np.cos(5 * np.arctan2(v, u))).astype(float)
    colours = np.asarray(first) * (1 - share[:, None]) + np.asarray(second) * share[:, None]
    return replace(surface, colours=np.clip(colours, 0, 1))
