"""Glasses and sunglasses."""

import numpy as np

from oodinv.portraits.heads import Head, HeadAnchors
from oodinv.portraits.shapes import random_colour, tube
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator


def glasses(head: Head, rng: Rng) -> list[Surface]:
    """Rims, bridge and temples; the lenses are clear and not part of the thing."""
    colour = random_colour(rng, 0.02, 0.55)
    rims = _rims(head.anchors, rng)
    thickness = rng.uniform(0.0012, 0.0032)
    return [tube(rim, thickness, colour, closed=True) for rim in rims] + _frame(head.anchors, rims, thickness, colour)


def sunglasses(head: Head, rng: Rng) -> list[Surface]:
    """A frame with dark, opaque lenses."""
    colour = random_colour(rng, 0.02, 0.6)
    dark, light = np.sort(rng.uniform(0.02, 0.32, 2))
    tint = 1 + rng.uniform(-0.25, 0.25, 3)
    rims = _rims(head.anchors, rng)
    surfaces = _frame(head.anchors, rims, 0.0022, colour)
    for rim in rims:
        surfaces.append(tube(rim, rng.uniform(0.0016, 0.003), colour, closed=True))
        centre = rim.mean(0)
        rings = np.array([0.0, 0.35, 0.7, 1.0])[:, None, None]
        points = centre + rings * (rim - centre) - np.array([0, 0.004, 0]) * (1 - rings**2)
        height = (points[..., 2] - rim[:, 2].min()) / np.ptp(rim[:, 2])
        lens = np.clip((dark * height + light * (1 - height))[..., None] * tint, 0, 1)
        surfaces.append(sheet(points, lens, closed=True, gloss=0.5, shininess=50.0))
    return surfaces


def _rims(anchors: HeadAnchors, rng: Rng) -> list[np.ndarray]:
    """Outline of the two lenses: a superellipse before each eye, bent around the face."""
    half_width, half_height = rng.uniform(0.021, 0.0255), rng.uniform(0.014, 0.022)
    power = rng.uniform(0.55, 1.0)  # 1 is an ellipse, less is squarer
    angle = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    u = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    v = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    ahead = min(anchors.nose_bridge[1] - 0.002, anchors.eyes[:, 1].min() - 0.026)
    rims = []
    for eye in anchors.eyes:
        x = eye[0] * 1.06 + half_width * u
        z = eye[2] - 0.003 + half_height * v
        y = ahead + 4.5 * np.maximum(np.abs(x) - 0.02, 0) ** 2
        rims.append(np.stack([x, y, z], axis=1))
    return rims


def _frame(anchors: HeadAnchors, rims: list[np.ndarray], thickness: float, colour: np.ndarray) -> list[Surface]:
    """Bridge and temples."""
    inner = [rim[np.argmin(np.abs(rim[:, 0]))] for rim in rims]
    share = np.linspace(0, 1, 9)[:, None]
    bridge = inner[0] * (1 - share) + inner[1] * share + np.array([0, -0.003, 0.006]) * np.sin(np.pi * share)
    surfaces = [tube(bridge, thickness, colour)]
    for rim, ear in zip(rims, anchors.ears, strict=True):
        hinge = rim[np.argmax(np.abs(rim[:, 0]))]
        end = ear + np.array([0.004 * np.sign(ear[0]), 0.008, 0.022])
        middle = np.array([end[0] * 1.02, (hinge[1] * 0.75 + end[1] * 0.25), hinge[2]])
        line = hinge * (1 - share) ** 2 + 2 * middle * share * (1 - share) + end * share**2
        surfaces.append(tube(line, thickness * 0.9, colour))
    return surfaces
