"""Things that a generator of clean portraits has never seen, put on or before a head.

Every accessory is opaque, so its mask is exact. The kinds in `HELD_OUT_KINDS` are for tests only: nothing is trained
on them, so they show whether a mask carries over to what it was not taught.
"""

from collections.abc import Callable

import numpy as np

from oodinv.portraits.heads import Head, HeadAnchors
from oodinv.portraits.surfaces import Surface, ellipsoid, lathe, rotation_x, rotation_y, rotation_z, sheet, tube

Rng = np.random.Generator


def accessory_surfaces(kind: str, head: Head, seed: int) -> list[Surface]:
    """Make an accessory for a head that looks straight ahead.

    Args:
        kind: One of ``TRAINING_KINDS`` or ``HELD_OUT_KINDS``.
        head: The head that wears it.
        seed: Determines colour, size and form.

    Raises:
        ValueError: The kind is unknown.
    """
    if kind not in _MAKERS:
        raise ValueError(f"unknown accessory {kind!r}: expected one of {', '.join(sorted(_MAKERS))}")
    return _MAKERS[kind](head, np.random.default_rng([seed, 1]))


def _glasses(head: Head, rng: Rng) -> list[Surface]:
    colour = _colour(rng, 0.02, 0.55)
    rims = _rims(head.anchors, rng)
    thickness = rng.uniform(0.0012, 0.0032)
    return [tube(rim, thickness, colour, closed=True) for rim in rims] + _frame(head.anchors, rims, thickness, colour)


def _sunglasses(head: Head, rng: Rng) -> list[Surface]:
    colour = _colour(rng, 0.02, 0.6)
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
        surfaces.append(sheet(points, lens, closed=True, gloss=0.5, shininess=50))
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
        side = np.sign(eye[0])
        x = eye[0] * 1.06 + half_width * u
        z = eye[2] - 0.003 + half_height * v
        y = ahead + 4.5 * np.maximum(np.abs(x) - 0.02, 0) ** 2 + 0 * side
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


def _hat(head: Head, rng: Rng) -> list[Surface]:
    anchors, colour = head.anchors, _colour(rng, 0.03, 0.95)
    width, depth = anchors.head_radii + rng.uniform(0.008, 0.014)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.002, 0.016)])
    height = anchors.crown[2] - seat[2] + rng.uniform(0.012, 0.045)
    brim, droop = rng.uniform(0.03, 0.075), rng.uniform(-0.2, 0.35)
    taper = rng.uniform(0.7, 0.98)
    crown = np.array(
        [(1.0, -0.012), (1.0, 0.0), (1 - (1 - taper) * 0.6, height * 0.6), (taper, height * 0.95), (taper * 0.9, height), (0.0, height * rng.uniform(0.88, 1.0))]  # noqa: E501
    )
    stretch = (float(width), float(depth))
    tilt = rng.uniform(-0.02, 0.14)
    outer = 1 + brim / width
    edge = np.array([(0.96, 0.001), (1 + 0.5 * brim / width, -droop * brim * 0.3), (outer, -droop * brim), (outer, -droop * brim - 0.004), (0.96, -0.004)])  # fmt: skip # noqa: E501
    band = np.array([(1.012, 0.0), (1.012, 0.022)])
    options = {"stretch": stretch, "tilt": tilt}
    return [
        lathe(crown, seat, colour, **options),
        lathe(edge, seat, colour * rng.uniform(0.75, 1.0), **options),
        lathe(band, seat, _colour(rng, 0.02, 0.9), **options),
    ]


def _cap(head: Head, rng: Rng) -> list[Surface]:
    """A knitted beanie or a baseball cap."""
    anchors, colour = head.anchors, _colour(rng, 0.03, 0.95)
    width, depth = anchors.head_radii + rng.uniform(0.007, 0.012)
    seat = anchors.head_centre + np.array([0, 0.004, rng.uniform(-0.012, 0.014)])
    height = anchors.crown[2] - seat[2] + rng.uniform(0.01, 0.03)
    tilt = rng.uniform(0.0, 0.16)
    angle = np.linspace(0, np.pi / 2, 14)
    dome = np.stack([np.cos(angle) ** 0.75, np.sin(angle) * height], axis=1)
    dome = np.concatenate([[[1.0, -0.014]], dome])
    stretch = (float(width), float(depth))
    surfaces = [lathe(dome, seat, colour, stretch=stretch, tilt=tilt)]
    if rng.random() < 0.5:
        cuff = np.array([(1.03, -0.016), (1.06, -0.008), (1.06, 0.016), (1.02, 0.022)])
        surfaces.append(lathe(cuff, seat, _colour(rng, 0.03, 0.95), stretch=stretch, tilt=tilt))
        if rng.random() < 0.4:
            top = seat + rotation_x(-tilt) @ np.array([0, 0, height + 0.012])
            surfaces.append(ellipsoid(top, np.full(3, rng.uniform(0.014, 0.024)), _colour(rng, 0.1, 0.95), gloss=0.05))
    else:
        surfaces.append(_visor(seat, width, depth, tilt, colour * rng.uniform(0.6, 1.0), rng))
    return surfaces


def _visor(seat: np.ndarray, width: float, depth: float, tilt: float, colour: np.ndarray, rng: Rng) -> Surface:
    around = np.linspace(-1.15, 1.15, 28)[None]
    out = np.array([0.97, 1.0, 1.0])[:, None] + np.array([0, 1, 1])[:, None] * rng.uniform(0.5, 0.75) * np.cos(
        around * 1.3
    ).clip(0.02)
    drop = np.array([-0.004, -0.012, -0.016])[:, None] - 0.012 * np.abs(around) ** 2
    points = np.stack(
        np.broadcast_arrays(width * out**0.3 * np.sin(around), -depth * out * np.cos(around), drop), axis=-1
    )
    return sheet(points @ rotation_x(-tilt).T + seat, colour)


def _blob(head: Head, rng: Rng) -> list[Surface]:
    """A ball, a bottle-like thing or a hand before the face."""
    anchors = head.anchors
    target = anchors.mouth * 0.5 + anchors.eyes.mean(0) * 0.5
    place = target + np.array([rng.uniform(-0.07, 0.07), 0, rng.uniform(-0.08, 0.05)])
    place[1] = anchors.nose_tip[1] - rng.uniform(0.015, 0.05)
    turn = rotation_y(rng.uniform(-1.5, 1.5)) @ rotation_z(rng.uniform(-0.5, 0.5))
    form = rng.random()
    if form < 0.4:
        radii = rng.uniform(0.010, 0.034, 3)
        gloss = rng.uniform(0.02, 0.5)
        return [ellipsoid(place, radii, _colour(rng, 0.02, 0.97), rotation=turn, gloss=gloss)]
    if form < 0.6:
        line = (np.linspace(-1, 1, 12)[:, None] * np.array([[0, 0, rng.uniform(0.03, 0.09)]])) @ turn.T + place
        return [tube(line, rng.uniform(0.006, 0.022), _colour(rng, 0.02, 0.97), sides=20)]
    return _hand(head, place, turn, rng)


def _hand(head: Head, place: np.ndarray, turn: np.ndarray, rng: Rng) -> list[Surface]:
    skin = np.clip(np.array(head.surfaces[0].colours).mean(0) * rng.uniform(0.7, 1.25), 0.05, 0.95)
    glove = _colour(rng, 0.05, 0.95)
    colour = skin if rng.random() < 0.75 else glove
    size = rng.uniform(0.8, 1.05)
    palm = ellipsoid(place, np.array([0.034, 0.012, 0.038]) * size, colour, rotation=turn, gloss=0.06)
    surfaces = [palm]
    spread = rng.uniform(0.05, 0.3)
    for number in range(4):
        lean = (number - 1.5) * spread
        root = np.array([(number - 1.5) * 0.016, 0, 0.022])
        length = (0.062, 0.070, 0.068, 0.054)[number] * rng.uniform(0.75, 1.05)
        share = np.linspace(0, 1, 8)[:, None]
        bend = np.array([0, rng.uniform(-0.012, 0.02), 0]) * share**2
        line = (root + share * length * np.array([np.sin(lean), 0, np.cos(lean)]) + bend) * size
        surfaces.append(tube(line @ turn.T + place, 0.0078 * size, colour, sides=12, gloss=0.06))
        surfaces.append(ellipsoid(line[-1] @ turn.T + place, np.full(3, 0.0078 * size), colour, rings=10, gloss=0.06))
    wrist = np.linspace(0, -1, 6)[:, None] * np.array([[rng.uniform(-0.05, 0.05), 0.0, 0.16]]) * size
    sleeve = colour if rng.random() < 0.5 else _colour(rng, 0.05, 0.9)
    surfaces.append(tube((wrist + np.array([0, 0, -0.02])) @ turn.T + place, 0.024 * size, sleeve, sides=16, gloss=0.05))
    return surfaces


def _microphone(head: Head, rng: Rng) -> list[Surface]:
    mouth = head.anchors.mouth
    ball = rng.uniform(0.016, 0.027)
    place = mouth + np.array([rng.uniform(-0.035, 0.035), -ball - rng.uniform(0.006, 0.03), rng.uniform(-0.035, 0.0)])
    down = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.1), -1.0])
    down /= np.linalg.norm(down)
    line = place + np.linspace(ball * 0.8, 0.2, 8)[:, None] * down
    grille = np.array([1.0, 1.0, 1.0]) * rng.uniform(0.05, 0.7)
    return [
        ellipsoid(place, np.full(3, ball), grille, gloss=0.3),
        tube(line, ball * rng.uniform(0.5, 0.75), _colour(rng, 0.02, 0.5), sides=16),
    ]


def _face_mask(head: Head, rng: Rng) -> list[Surface]:
    """A cloth over nose, mouth and chin, with ear loops."""
    anchors, colour = head.anchors, _colour(rng, 0.1, 0.98)
    top = anchors.nose_bridge[2] * rng.uniform(0.35, 0.6) + anchors.nose_tip[2] * 0.5
    top = min(max(top, anchors.nose_tip[2] + 0.008), anchors.nose_bridge[2] - 0.012)
    bottom = anchors.chin[2] - 0.008
    down = np.linspace(0, 1, 16)[:, None]
    across = np.linspace(-1, 1, 33)[None]
    half = 0.064
    cheek_y = anchors.ears[:, 1].mean() - 0.032
    nose, chin = anchors.nose_tip[1] - 0.007, anchors.chin[1] - 0.010
    middle = nose * (1 - down) ** 1.0 + chin * down
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


def _headphones(head: Head, rng: Rng) -> list[Surface]:
    anchors, colour = head.anchors, _colour(rng, 0.02, 0.9)
    ears = anchors.ears + np.sign(anchors.ears[:, :1]) * np.array([[0.014, 0, 0]]) + np.array([[0, -0.004, 0.006]])
    radius = rng.uniform(0.026, 0.036)
    surfaces = []
    for ear in ears:
        surfaces.append(ellipsoid(ear, np.array([0.016, radius, radius * 1.15]), colour))
        surfaces.append(ellipsoid(ear + np.sign(ear[0]) * np.array([0.010, 0, 0]), np.array([0.011, radius * 0.6, radius * 0.7]), _colour(rng, 0.02, 0.9)))  # fmt: skip # noqa: E501
    angle = np.linspace(0, np.pi, 30)
    rise = anchors.crown[2] + 0.008 - ears[:, 2].mean()
    width = np.abs(ears[:, 0]).mean()
    band = np.stack([-width * np.cos(angle), np.full(30, ears[:, 1].mean()), ears[:, 2].mean() + rise * np.sin(angle) ** 0.8], 1)  # fmt: skip # noqa: E501
    surfaces.append(tube(band, rng.uniform(0.005, 0.009), colour, sides=14))
    return surfaces


def _colour(rng: Rng, low: float, high: float) -> np.ndarray:
    return np.clip(0.6 * rng.uniform(low, high, 3) + 0.4 * rng.uniform(low, high), 0, 1)


_MAKERS: dict[str, Callable[[Head, Rng], list[Surface]]] = {
    "glasses": _glasses,
    "sunglasses": _sunglasses,
    "hat": _hat,
    "cap": _cap,
    "blob": _blob,
    "microphone": _microphone,
    "face_mask": _face_mask,
    "headphones": _headphones,
}
HELD_OUT_KINDS: tuple[str, ...] = ("face_mask", "headphones")
TRAINING_KINDS: tuple[str, ...] = tuple(kind for kind in _MAKERS if kind not in HELD_OUT_KINDS)
