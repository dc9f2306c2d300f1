"""A hand before the face or at the chin."""

from typing import Literal

import numpy as np

from oodinv.portraits.heads import Head
from oodinv.portraits.shapes import ellipsoid, random_colour, tube
from oodinv.portraits.surfaces import Surface, rotation_x, rotation_y, rotation_z

Rng = np.random.Generator
Pose = Literal["open", "chin", "two-fingers", "pointing"]
_LENGTHS = (0.068, 0.077, 0.073, 0.058)  # index to little finger, metres
_CURLS: dict[str, tuple[float, float, float, float]] = {
    "open": (0.12, 0.08, 0.12, 0.2),
    "chin": (1.25, 1.3, 1.35, 1.4),
    "two-fingers": (0.05, 0.05, 1.5, 1.5),
    "pointing": (0.05, 1.45, 1.5, 1.5),
}


def hand(head: Head, rng: Rng, *, pose: Pose = "open") -> list[Surface]:
    """A right or left hand with a wrist and a sleeve, palm towards the face."""
    anchors = head.anchors
    skin = np.clip(_cheek(head) * rng.uniform(0.85, 1.1), 0.05, 0.95)
    colour = skin if rng.random() < 0.85 else random_colour(rng, 0.05, 0.95)  # else a glove
    side = rng.choice([-1.0, 1.0])
    if pose == "chin":
        place = anchors.chin + np.array([side * rng.uniform(0.0, 0.03), -0.012, rng.uniform(-0.055, -0.04)])
        turn = rotation_z(side * rng.uniform(-0.2, 0.5)) @ rotation_y(side * rng.uniform(0.1, 0.5)) @ rotation_x(-0.25)
    else:
        target = anchors.mouth * 0.5 + anchors.eyes.mean(0) * 0.5
        place = target + np.array([side * rng.uniform(0.02, 0.075), 0, rng.uniform(-0.085, -0.03)])
        place[1] = anchors.nose_tip[1] - rng.uniform(0.018, 0.04)
        turn = rotation_y(-side * rng.uniform(-0.2, 0.8)) @ rotation_z(side * rng.uniform(-0.3, 0.6))
    mirrored = np.array([side, 1.0, 1.0]) * rng.uniform(0.88, 1.05)
    parts = _palm(colour) + _fingers(rng, colour, skin, _CURLS[pose]) + _thumb(rng, colour, skin, pose)
    sleeve = random_colour(rng, 0.05, 0.9)
    lean = np.array([rng.uniform(-0.04, 0.02), 0.012, -0.15])
    share = np.linspace(0, 1, 8)[:, None]
    wrist = np.array([0, 0.0, -0.028]) + share * lean
    parts.append(tube(wrist, np.linspace(0.0245, 0.028, 8), colour, sides=20, gloss=0.06))
    parts.append(tube(wrist[3:] + lean * 0.1, np.linspace(0.033, 0.042, 5), sleeve, sides=24, gloss=0.03))
    return [part.moved((part.vertices * mirrored) @ turn.T + place) for part in parts]


def _cheek(head: Head) -> np.ndarray:
    """Colour of the skin between eyes and mouth."""
    (x, y, z), anchors = head.skin.vertices.T, head.anchors
    low, high = anchors.mouth[2], anchors.eyes[:, 2].mean() - 0.012
    cheeks = (y < anchors.eyes[:, 1].mean()) & (z > low) & (z < high) & (np.abs(x) > 0.02)
    skin = next(surface for surface in head.surfaces if len(surface.vertices) == len(x))
    return np.median(np.asarray(skin.colours)[cheeks], axis=0)


def _palm(colour: np.ndarray) -> list[Surface]:
    palm = ellipsoid(np.zeros(3), np.array([0.039, 0.0135, 0.047]), colour, gloss=0.06)
    x, _, z = palm.vertices.T
    squarer = np.stack([x * (1.0 + 0.18 * np.clip(z / 0.047, -1, 1)), palm.vertices[:, 1], z], axis=1)
    ball = ellipsoid(np.array([-0.022, -0.004, -0.014]), np.array([0.017, 0.013, 0.027]), colour, gloss=0.06)
    return [palm.moved(squarer), ball]


def _fingers(rng: Rng, colour: np.ndarray, skin: np.ndarray, curls: tuple[float, float, float, float]) -> list[Surface]:
    parts = []
    spread = rng.uniform(0.02, 0.14)
    for number, (length, curl) in enumerate(zip(_LENGTHS, curls, strict=True)):
        lean = (number - 1.2) * spread
        root = np.array([(number - 1.5) * 0.0185, 0.0, 0.036 - 0.004 * abs(number - 1.3)])
        line = _bent(root, length * rng.uniform(0.95, 1.05), lean, curl * rng.uniform(0.9, 1.05))
        width = (0.0088, 0.0092, 0.0088, 0.0076)[number]
        parts += _finger(line, width, colour, nail=colour is skin and curl < 1)
    return parts


def _thumb(rng: Rng, colour: np.ndarray, skin: np.ndarray, pose: Pose) -> list[Surface]:
    lean = -0.85 if pose == "open" else -0.25
    line = _bent(np.array([-0.026, -0.006, -0.006]), 0.062, lean + rng.uniform(-0.15, 0.1), 0.25)
    return _finger(line, 0.0105, colour, nail=colour is skin)


def _bent(root: np.ndarray, length: float, lean: float, curl: float) -> np.ndarray:
    """Three bones, each bent against the one before, rounded off; curling goes towards the viewer."""
    points, angle = [root], 0.0
    for bone, bend in zip((0.46, 0.30, 0.24), (1.0, 0.95, 0.7), strict=True):
        angle += curl * bend
        up = np.array([np.sin(lean) * np.cos(angle), -np.sin(angle), np.cos(lean) * np.cos(angle)])
        points.append(points[-1] + length * bone * up)
    corners = np.array(points)
    fine = np.stack([np.interp(np.linspace(0, 3, 25), np.arange(4), corners[:, axis]) for axis in range(3)], axis=1)
    for _ in range(3):
        fine[1:-1] = (fine[:-2] + 2 * fine[1:-1] + fine[2:]) / 4
    return fine


def _finger(line: np.ndarray, width: float, colour: np.ndarray, *, nail: bool) -> list[Surface]:
    share = np.linspace(0, 1, len(line))
    joints = 0.07 * np.exp(-(((share - 0.46) / 0.06) ** 2)) + 0.05 * np.exp(-(((share - 0.76) / 0.05) ** 2))
    radii = width * (1.05 - 0.22 * share + joints)
    parts = [
        tube(line, radii, colour, sides=16, gloss=0.06),
        ellipsoid(line[-1], np.full(3, radii[-1]), colour, rings=12, gloss=0.06),
    ]
    if nail:
        tip = line[-1] + np.array([0, -0.72, 0]) * radii[-1] - 0.1 * (line[-1] - line[-3])
        pale = np.clip(colour * 0.75 + 0.25 * np.array([0.95, 0.75, 0.72]), 0, 1)
        parts.append(ellipsoid(tip, np.array([0.62, 0.36, 0.8]) * radii[-1], pale, rings=10, gloss=0.35))
    return parts
