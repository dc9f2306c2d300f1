"""Face masks and headphones. Both are for tests alone: nothing is trained on any of their designs."""

from typing import Literal

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.patterns import Pattern, paint
from oodinv.portraits.shapes import ellipsoid, random_colour, tube
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator


def face_mask(head: Head, rng: Rng, *, form: Literal["surgical", "cloth", "respirator"] = "surgical") -> list[Surface]:
    """A cover over nose, mouth and chin, with ear loops: pleated, of printed cloth, or stiff with a seam."""
    anchors = head.anchors
    colour = random_colour(rng, 0.1, 0.98)
    if form == "surgical":
        colour = np.array(((0.55, 0.78, 0.86), (0.9, 0.93, 0.94), (0.12, 0.12, 0.13), (0.62, 0.8, 0.7)))[
            rng.integers(4)
        ]
    if form == "respirator":
        colour = np.full(3, rng.uniform(0.85, 0.97))
    top = anchors.nose_bridge[2] * rng.uniform(0.35, 0.6) + anchors.nose_tip[2] * 0.5
    top = min(max(top, anchors.nose_tip[2] + 0.008), anchors.nose_bridge[2] - 0.012)
    bottom = anchors.chin[2] - 0.008
    down = np.linspace(0, 1, 40)[:, None]
    across = np.linspace(-1, 1, 65)[None]
    half = 0.064 if form != "respirator" else 0.056
    cheek_y = anchors.ears[:, 1].mean() - 0.032
    nose, chin = anchors.nose_tip[1] - 0.007, anchors.chin[1] - 0.010
    middle = nose * (1 - down) + chin * down
    middle = middle - (0.008 if form != "respirator" else 0.02) * np.sin(np.pi * down)
    depth = (1 - np.abs(across) ** 2.2) ** 0.8
    y = cheek_y + (middle - cheek_y) * depth
    if form == "surgical":
        y = y - 0.0022 * np.abs(np.sin(down * np.pi * 4)) * depth
    z = top + (bottom - top) * down - 0.004 * np.abs(across) * (1 - 2 * down) - 0.012 * across**2 * (1 - down)
    x = half * across * (1 - 0.22 * np.abs(down - 0.35))
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    cover = sheet(points, colour, gloss=0.03)
    if form == "cloth":
        pattern: Pattern = ("checks", "dots", "flowers")[rng.integers(3)]
        cover = paint(cover, pattern, colour, random_colour(rng, 0.1, 0.98), rng.uniform(0.008, 0.016))
    shade = {
        "surgical": 1 - 0.10 * np.abs(np.cos(down * np.pi * 4)) ** 12 + 0 * across,
        "cloth": 1 + 0 * down * across,
        "respirator": 1 - 0.12 * np.exp(-((across / 0.02) ** 2)) + 0 * down,
    }[form]
    cover.colours[:] = np.clip(cover.colours * shade.reshape(-1, 1), 0, 1)
    surfaces = [cover]
    for column, ear in ((0, anchors.ears[0]), (-1, anchors.ears[1])):
        for row in (3, -6):
            share = np.linspace(0, 1, 6)[:, None]
            start = points[row, column]
            end = ear + np.array([np.sign(ear[0]) * 0.003, 0.006, 0.012 if row == 3 else -0.012])
            surfaces.append(tube(start * (1 - share) + end * share, 0.0012, np.clip(colour * 1.1, 0, 1), sides=6))
    return surfaces


def headphones(head: Head, rng: Rng, *, form: Literal["over-ear", "on-ear", "headset"] = "over-ear") -> list[Surface]:
    """Two cups on the ears and a band over the crown; a headset has a microphone on a boom."""
    anchors, colour = head.anchors, random_colour(rng, 0.02, 0.9)
    ears = anchors.ears + np.sign(anchors.ears[:, :1]) * np.array([[0.014, 0, 0]]) + np.array([[0, -0.004, 0.006]])
    radius = rng.uniform(0.028, 0.036) if form == "over-ear" else rng.uniform(0.02, 0.026)
    cushion, button_colour = np.clip(colour * 0.4, 0.02, 1), random_colour(rng, 0.02, 0.9)
    surfaces = []
    for ear in ears:
        outside = ear + np.array([0.010 * np.sign(ear[0]), 0, 0])
        surfaces.append(ellipsoid(ear, np.array([0.015, radius, radius * 1.15]), cushion))
        surfaces.append(ellipsoid(outside, np.array([0.013, radius * 0.9, radius * 1.03]), colour))
        surfaces.append(ellipsoid(outside, np.array([0.015, radius * 0.55, radius * 0.62]), button_colour))
    angle = np.linspace(0, np.pi, 40)
    middle = ears.mean(axis=0)
    rise = anchors.crown[2] + 0.008 - middle[2]
    width = np.abs(ears[:, 0]).mean() + 0.006
    height = middle[2] + rise * np.sin(angle) ** 0.8
    for offset in (-0.006, 0.0, 0.006) if form == "over-ear" else (0.0,):  # a broad band is three tubes
        band = np.stack([-width * np.cos(angle), np.full(40, middle[1] + offset), height], axis=1)
        surfaces.append(tube(band, rng.uniform(0.005, 0.007), colour, sides=14))
    if form == "headset":
        share = np.linspace(0, 1, 12)[:, None]
        tip = anchors.mouth + np.array([np.sign(ears[0, 0]) * 0.028, -0.012, -0.012])
        bow = ears[0] * (1 - share) + tip * share + np.array([ears[0, 0] * 0.5, -0.03, -0.02]) * np.sin(np.pi * share)
        surfaces.append(tube(bow, 0.0024, cushion))
        surfaces.append(ellipsoid(tip, np.array([0.009, 0.008, 0.007]), cushion, gloss=0.02))
    return surfaces
