"""Accessories for tests only: nothing is ever trained on them."""

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.shapes import ellipsoid, random_colour, tube
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator


def face_mask(head: Head, rng: Rng) -> list[Surface]:
    """A cloth over nose, mouth and chin, with ear loops."""
    anchors, colour = head.anchors, random_colour(rng, 0.1, 0.98)
    top = anchors.nose_bridge[2] * rng.uniform(0.35, 0.6) + anchors.nose_tip[2] * 0.5
    top = min(max(top, anchors.nose_tip[2] + 0.008), anchors.nose_bridge[2] - 0.012)
    bottom = anchors.chin[2] - 0.008
    down = np.linspace(0, 1, 16)[:, None]
    across = np.linspace(-1, 1, 33)[None]
    half = 0.064
    cheek_y = anchors.ears[:, 1].mean() - 0.032
    nose, chin = anchors.nose_tip[1] - 0.007, anchors.chin[1] - 0.010
    middle = nose * (1 - down) + chin * down
    middle = middle - 0.008 * np.sin(np.pi * down)
    depth = (1 - np.abs(across) ** 2.2) ** 0.8
    y = cheek_y + (middle - cheek_y) * depth
    z = top + (bottom - top) * down - 0.004 * np.abs(across) * (1 - 2 * down) - 0.012 * across**2 * (1 - down)
    x = half * across * (1 - 0.22 * np.abs(down - 0.35))
    pleats = 1 - 0.07 * (np.sin(down * np.pi * 7) ** 8) * np.ones_like(across)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    surfaces = [sheet(points, np.clip(colour * pleats[..., None], 0, 1), gloss=0.03)]
    for column, ear in ((0, anchors.ears[0]), (-1, anchors.ears[1])):
        for row in (1, -3):
            share = np.linspace(0, 1, 6)[:, None]
            start = points[row, column]
            end = ear + np.array([np.sign(ear[0]) * 0.003, 0.006, 0.012 if row == 1 else -0.012])
            surfaces.append(tube(start * (1 - share) + end * share, 0.0012, np.clip(colour * 1.1, 0, 1), sides=6))
    return surfaces


def headphones(head: Head, rng: Rng) -> list[Surface]:
    """Two cups on the ears and a band over the crown."""
    anchors, colour = head.anchors, random_colour(rng, 0.02, 0.9)
    ears = anchors.ears + np.sign(anchors.ears[:, :1]) * np.array([[0.014, 0, 0]]) + np.array([[0, -0.004, 0.006]])
    radius = rng.uniform(0.026, 0.036)
    surfaces = []
    for ear in ears:
        outside = ear + np.array([0.010 * np.sign(ear[0]), 0, 0])
        surfaces.append(ellipsoid(ear, np.array([0.016, radius, radius * 1.15]), colour))
        button = np.array([0.011, radius * 0.6, radius * 0.7])
        surfaces.append(ellipsoid(outside, button, random_colour(rng, 0.02, 0.9)))
    angle = np.linspace(0, np.pi, 30)
    middle = ears.mean(axis=0)
    rise = anchors.crown[2] + 0.008 - middle[2]
    width = np.abs(ears[:, 0]).mean()
    height = middle[2] + rise * np.sin(angle) ** 0.8
    band = np.stack([-width * np.cos(angle), np.full(30, middle[1]), height], axis=1)
    surfaces.append(tube(band, rng.uniform(0.005, 0.009), colour, sides=14))
    return surfaces
