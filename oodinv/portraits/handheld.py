"""Things held before a face: microphones, balls, bottles, cups, phones."""

from typing import Literal

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.patterns import paint
from oodinv.portraits.shapes import along, ellipsoid, lathe, random_colour, tube
from oodinv.portraits.surfaces import Surface, rotation_y, rotation_z, sheet

Rng = np.random.Generator


def held_object(head: Head, rng: Rng, *, form: Literal["ball", "bottle", "cup", "phone"] = "ball") -> list[Surface]:
    """A thing in front of some part of the face."""
    anchors = head.anchors
    target = anchors.mouth * 0.5 + anchors.eyes.mean(0) * 0.5
    place = target + np.array([rng.uniform(-0.07, 0.07), 0, rng.uniform(-0.08, 0.05)])
    place[1] = anchors.nose_tip[1] - rng.uniform(0.025, 0.05)
    colour, other = random_colour(rng, 0.02, 0.97), random_colour(rng, 0.02, 0.97)
    turn = rotation_y(rng.uniform(-0.6, 0.6)) @ rotation_z(rng.uniform(-0.5, 0.5))
    if form == "ball":
        ball = ellipsoid(place, np.full(3, rng.uniform(0.02, 0.036)), colour, rings=48, gloss=rng.uniform(0.02, 0.5))
        return [paint(ball, "rings" if rng.random() < 0.5 else "checks", colour, other, rng.uniform(0.015, 0.03))]
    if form == "bottle":
        body, height = rng.uniform(0.017, 0.024), rng.uniform(0.11, 0.15)
        outline = [
            (0, 0),
            (1, 0.01),
            (1, 0.6),
            (0.85, 0.68),
            (0.38, 0.78),
            (0.38, 0.92),
            (0.46, 0.92),
            (0.46, 1),
            (0, 1),
        ]
        profile = np.array([(body * radius, height * (level - 0.5)) for radius, level in outline])
        label = along(np.array([(body * 1.02, height * -0.35), (body * 1.02, height * 0.0)]), 20)
        parts = [
            lathe(profile, np.zeros(3), colour, gloss=0.5, shininess=40.0),
            paint(lathe(label, np.zeros(3), other), "flowers", other, np.clip(1.1 - other, 0, 1), 0.014),
        ]
    elif form == "cup":
        rim, height = rng.uniform(0.028, 0.036), rng.uniform(0.06, 0.085)
        profile = np.array([(0, -0.5), (0.78, -0.5), (1.0, 0.5), (0.94, 0.5), (0.72, -0.45)]) * np.array([rim, height])
        angle = np.linspace(-1.2, 1.2, 14)
        handle = np.stack([rim * 0.85 + 0.022 * np.cos(angle), 0 * angle, 0.022 * np.sin(angle)], axis=1)
        parts = [
            paint(lathe(along(profile, 30), np.zeros(3), colour, gloss=0.3), "rings", colour, other, height * 0.9),
            tube(handle, 0.004, colour, gloss=0.3),
        ]
    else:
        parts = _phone(rng, colour)
    return [part.moved(part.vertices @ turn.T + place) for part in parts]


def _phone(rng: Rng, colour: np.ndarray) -> list[Surface]:
    """The back of a phone: a slab with round corners, a camera in one of them."""
    wide, tall, thick = 0.035, 0.073, 0.004
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    u = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.25 * wide
    w = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.25 * tall
    rings = [(0.0, -thick), (0.97, -thick), (1.0, -thick * 0.5), (1.0, thick * 0.5), (0.97, thick), (0.0, thick)]
    slab = sheet(np.stack([np.stack([u * r, 0 * u + y, w * r], 1) for r, y in rings]), colour, closed=True, gloss=0.3)
    corner = np.array([-wide * 0.5, -thick, tall * 0.72])
    island = ellipsoid(corner, np.array([0.012, 0.003, 0.014]), colour * 0.7, gloss=0.3)
    lenses = [
        ellipsoid(corner + np.array([0, -0.002, dz]), np.array([0.0048, 0.003, 0.0048]), np.full(3, 0.04), gloss=0.6)
        for dz in (-0.006, 0.006)
    ]
    return [slab, island, *lenses]


def microphone(head: Head, rng: Rng, *, form: Literal["ball", "foam", "stick", "studio"] = "ball") -> list[Surface]:
    """A microphone before the mouth: with a wire ball, a coloured foam, a bare stick, or large in its ring."""
    mouth = head.anchors.mouth
    ball = {"ball": (0.02, 0.026), "foam": (0.026, 0.036), "stick": (0.009, 0.013), "studio": (0.022, 0.027)}[form]
    radius = rng.uniform(*ball)
    place = mouth + np.array([rng.uniform(-0.035, 0.035), -radius - rng.uniform(0.006, 0.03), rng.uniform(-0.035, 0.0)])
    down = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.1), -1.0])
    down /= np.linalg.norm(down)
    line = place + np.linspace(radius * 0.8, 0.2, 8)[:, None] * down
    metal = np.full(3, rng.uniform(0.1, 0.7))
    dark = random_colour(rng, 0.02, 0.4)
    if form == "foam":
        foam = ellipsoid(
            place, np.array([1.0, 1.0, 1.15]) * radius, random_colour(rng, 0.05, 0.9), rings=40, gloss=0.01
        )
        return [foam, tube(line, radius * 0.42, dark, sides=20)]
    if form == "studio":
        body = lathe(
            along(np.array([(0, 0.042), (1, 0.04), (1, -0.05), (0, -0.052)]) * [radius, 1.0], 40),
            place,
            metal,
            gloss=0.4,
        )
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        ring = place + np.stack([0.042 * np.cos(angle), 0 * angle, 0.06 * np.sin(angle) - 0.006], axis=1)
        stand = place + np.array([[0, 0, -0.066], [0, 0.0, -0.2]])
        return [
            paint(body, "weave", metal, metal * 0.4, 0.005),
            tube(ring, 0.0028, dark, closed=True),
            tube(stand, 0.006, dark),
        ]
    head_part = ellipsoid(place, np.full(3, radius), metal, rings=60, gloss=0.3)
    parts = [paint(head_part, "weave", metal, metal * 0.35, 0.004)]
    if form == "ball":
        angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)[:, None]
        side = np.cross(down, [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        ring = place + radius * 1.01 * (np.cos(angle) * side + np.sin(angle) * np.cross(side, down))
        parts.append(tube(ring, 0.0022, metal * 0.8, closed=True))
        return [*parts, tube(line, np.linspace(radius * 0.7, radius * 0.5, 8), dark, sides=20)]
    return [*parts, tube(line, radius * 0.95, dark, sides=20)]
