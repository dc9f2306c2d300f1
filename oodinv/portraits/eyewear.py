"""Glasses and sunglasses of several shapes."""

from typing import Literal

import numpy as np

from oodinv.portraits.heads import Head, HeadAnchors
from oodinv.portraits.shapes import random_colour, tube
from oodinv.portraits.surfaces import Surface, sheet

Rng = np.random.Generator
Form = Literal["oval", "rectangle", "round", "cat-eye", "aviator"]
_POINTS = 64


def glasses(
    head: Head, rng: Rng, *, form: Form = "oval", thickness: tuple[float, float] = (0.0012, 0.0024), half: bool = False
) -> list[Surface]:
    """Rims, bridge and temples; the lenses are clear and not part of the thing. ``half`` leaves the lower rims out."""
    colour = random_colour(rng, 0.02, 0.55)
    rims = _rims(head.anchors, rng, form)
    width = rng.uniform(*thickness)
    if half:
        upper = [rim[: _POINTS // 2 + 1] for rim in rims]
        rounds = [tube(line, width, colour) for line in upper]
    else:
        rounds = [tube(rim, width, colour, closed=True) for rim in rims]
    return rounds + _frame(head.anchors, rims, width, colour)


def sunglasses(head: Head, rng: Rng, *, form: Form = "oval") -> list[Surface]:
    """A frame with dark, opaque lenses that are lighter towards the bottom."""
    colour = random_colour(rng, 0.02, 0.6)
    dark, light = np.sort(rng.uniform(0.02, 0.32, 2))
    tint = 1 + rng.uniform(-0.25, 0.25, 3)
    rims = _rims(head.anchors, rng, form)
    surfaces = _frame(head.anchors, rims, 0.0022, colour)
    for rim in rims:
        surfaces.append(tube(rim, rng.uniform(0.0016, 0.003), colour, closed=True))
        surfaces.append(_lens(rim, dark, light, tint))
    return surfaces


def shield(head: Head, rng: Rng) -> list[Surface]:
    """One mirrored lens before both eyes, as skiers and cyclists wear it."""
    anchors = head.anchors
    across, down = np.linspace(-1, 1, 49)[None], np.linspace(0, 1, 13)[:, None]
    half, tall = rng.uniform(0.06, 0.066), rng.uniform(0.036, 0.05)
    ahead = min(anchors.nose_bridge[1] - 0.004, anchors.eyes[:, 1].min() - 0.026)
    x = half * across
    notch = 0.012 * np.exp(-((across / 0.14) ** 2))
    z = anchors.eyes[:, 2].mean() + tall * (0.5 - down * (1 - notch / tall) - 0.0) + 0.0 * across
    y = ahead + 9.0 * np.maximum(np.abs(x) - 0.018, 0) ** 2 + 0.0 * down
    first, second = random_colour(rng, 0.05, 0.9), random_colour(rng, 0.02, 0.5)
    share = (0.5 + 0.5 * np.sin(3 * down + 2.5 * across))[..., None]
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    lens = sheet(points, first * share + second * (1 - share), gloss=0.7, shininess=60.0)
    edge = np.concatenate([points[0], points[1:, -1], points[-1, ::-1][1:], points[::-1, 0][1:-1]])
    colour = random_colour(rng, 0.02, 0.5)
    return [
        lens,
        tube(edge, 0.0022, colour, closed=True),
        *_temples(anchors, [points[4, 0], points[4, -1]], 0.003, colour),
    ]


def _lens(rim: np.ndarray, dark: float, light: float, tint: np.ndarray) -> Surface:
    centre = rim.mean(0)
    rings = np.array([0.0, 0.35, 0.7, 1.0])[:, None, None]
    points = centre + rings * (rim - centre) - np.array([0, 0.004, 0]) * (1 - rings**2)
    height = (points[..., 2] - rim[:, 2].min()) / np.ptp(rim[:, 2])
    colours = np.clip((dark * height + light * (1 - height))[..., None] * tint, 0, 1)
    return sheet(points, colours, closed=True, gloss=0.5, shininess=50.0)


def _rims(anchors: HeadAnchors, rng: Rng, form: Form) -> list[np.ndarray]:
    """Outlines of the two lenses, anticlockwise from the outer side, bent around the face."""
    half_width, half_height, power = {
        "oval": (rng.uniform(0.022, 0.025), rng.uniform(0.015, 0.019), rng.uniform(0.85, 1.0)),
        "rectangle": (rng.uniform(0.023, 0.0255), rng.uniform(0.0125, 0.017), rng.uniform(0.4, 0.6)),
        "round": (rng.uniform(0.0205, 0.0235),) * 2 + (1.0,),
        "cat-eye": (rng.uniform(0.023, 0.0255), rng.uniform(0.0145, 0.018), 0.75),
        "aviator": (rng.uniform(0.0245, 0.027), rng.uniform(0.021, 0.024), 0.8),
    }[form]
    angle = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    u = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    v = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    drop = -0.003
    if form == "cat-eye":  # the outer upper corner is drawn up
        v = v + 0.75 * np.clip(u, 0, 1) ** 2 * np.clip(v + 0.3, 0, 1)
    if form == "aviator":  # a drop that hangs towards the cheek
        u = u * (1 - 0.16 * np.clip(-v, 0, 1)) + 0.16 * np.clip(-v, 0, 1)
        drop = -0.008
    ahead = min(anchors.nose_bridge[1] - 0.002, anchors.eyes[:, 1].min() - 0.026)
    rims = []
    for eye in anchors.eyes:
        x = eye[0] * 1.06 + half_width * u * np.sign(eye[0])
        z = eye[2] + drop + half_height * v
        y = ahead + 4.5 * np.maximum(np.abs(x) - 0.02, 0) ** 2
        rims.append(np.stack([x, y, z], axis=1))
    return rims


def _frame(anchors: HeadAnchors, rims: list[np.ndarray], thickness: float, colour: np.ndarray) -> list[Surface]:
    """Bridge and temples."""
    inner = [rim[np.argmin(np.abs(rim[:, 0]))] for rim in rims]
    share = np.linspace(0, 1, 9)[:, None]
    bridge = inner[0] * (1 - share) + inner[1] * share + np.array([0, -0.003, 0.006]) * np.sin(np.pi * share)
    hinges = [rim[np.argmax(np.abs(rim[:, 0]))] for rim in rims]
    return [tube(bridge, thickness, colour), *_temples(anchors, hinges, thickness * 0.9, colour)]


def _temples(anchors: HeadAnchors, hinges: list[np.ndarray], thickness: float, colour: np.ndarray) -> list[Surface]:
    share = np.linspace(0, 1, 9)[:, None]
    surfaces = []
    for hinge, ear in zip(hinges, anchors.ears, strict=True):
        end = ear + np.array([0.004 * np.sign(ear[0]), 0.008, 0.022])
        middle = np.array([end[0] * 1.02, (hinge[1] * 0.75 + end[1] * 0.25), hinge[2]])
        line = hinge * (1 - share) ** 2 + 2 * middle * share * (1 - share) + end * share**2
        surfaces.append(tube(line, thickness, colour))
    return surfaces
