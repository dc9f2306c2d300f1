"""What lies behind a person: a plain gradient that the parameters describe, or a busy scene drawn from a seed."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from oodinv.portraits.params import PortraitParams
from oodinv.portraits.scenery import indoors, outdoors

BackgroundKind = Literal["plain", "busy"]
BACKGROUND_KINDS: tuple[str, ...] = get_args(BackgroundKind)


def plain_background(params: PortraitParams, size: int) -> Float[np.ndarray, "size size 3"]:
    """The portrait's own studio wall, sRGB in [0, 1]: a gradient, a pool of light behind the head, darker corners."""
    ramp = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    cosine, sine = np.cos(params.background_angle), np.sin(params.background_angle)
    along = ramp[None] * np.float32(cosine) + ramp[:, None] * np.float32(sine)
    share = (np.sin(np.clip(along / 1.3, -1, 1) * np.float32(np.pi / 2)) / 2 + 0.5)[..., None]
    first, second = (np.array(colour, np.float32) for colour in (params.background_a, params.background_b))
    wall = first + (second - first) * share
    centre = np.float32(0.35 * np.tanh(params.key_x))
    away = (ramp[None] - centre) ** 2 + (ramp[:, None] + 0.15) ** 2
    light = 1 + params.background_glow * (0.45 * np.exp(-away / 0.5) - 0.22)
    corners = 1 - 0.10 * np.clip(ramp[None] ** 2 + ramp[:, None] ** 2 - 0.3, 0, 2)
    return np.clip(wall * (light * corners)[..., None], 0, 1)


def busy_background(seed: int, size: int) -> Float[np.ndarray, "size size 3"]:
    """A room or a place outdoors, out of focus; one in eight is a texture instead. sRGB in [0, 1]."""
    rng = np.random.default_rng([seed, 2])
    kind = rng.random()
    if kind < 0.875:
        return indoors(rng, size) if kind < 0.45 else outdoors(rng, size)
    y, x = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size, indexing="ij")
    draw = (_stripes, _checkers, _clouds, _discs, _rectangles)[rng.integers(5)]
    picture = draw(rng, x, y)
    haze = rng.uniform(0.9, 1.1) + rng.uniform(-0.12, 0.12) * y[..., None]
    return np.clip(picture * haze, 0, 1)


def _colours(rng: np.random.Generator, count: int) -> np.ndarray:
    grey = rng.uniform(0.05, 0.95, (count, 1))
    return np.clip(0.6 * rng.uniform(0.02, 0.98, (count, 3)) + 0.4 * grey, 0, 1)


def _stripes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(3, 18)
    position = (x * np.cos(angle) + y * np.sin(angle)) * frequency + rng.uniform(0, 1)
    colours = _colours(rng, int(rng.integers(2, 5)))
    band = np.floor(position).astype(int) % len(colours)
    return colours[band] * (0.9 + 0.1 * np.cos(2 * np.pi * position))[..., None]


def _checkers(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    angle, frequency = rng.uniform(-0.5, 0.5), rng.uniform(4, 14)
    u = (x * np.cos(angle) + y * np.sin(angle)) * frequency + rng.uniform(0, 1)
    v = (y * np.cos(angle) - x * np.sin(angle)) * frequency * rng.uniform(0.6, 1.6) + rng.uniform(0, 1)
    colours = _colours(rng, 3)
    if rng.random() < 0.5:  # bricks: every second row is shifted and has joints
        u = u / 2 + 0.5 * (np.floor(v) % 2)
        joint = (np.minimum(u % 1, v % 1) < 0.08)[..., None]
        return np.where(joint, colours[1], colours[0] * (0.85 + 0.3 * _hash(np.floor(u), np.floor(v)))[..., None])
    return colours[(np.floor(u) + np.floor(v)).astype(int) % 2]


def _hash(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.sin(u * 127.1 + v * 311.7) * 43758.5453) % 1


def _clouds(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    field, weight = np.zeros_like(x), 0.0
    for octave in range(5):
        cells = int(rng.integers(2, 4)) * 2**octave
        field += _lattice_noise(rng.random((cells + 2, cells + 2)), x * cells, y * cells) * 0.6**octave
        weight += 0.6**octave
    share = np.clip((field / weight - 0.5) * rng.uniform(1.5, 4) + 0.5, 0, 1)[..., None]
    a, b, c = _colours(rng, 3)
    return a * (1 - share) + b * share + (c - a) * 0.5 * share * (1 - share)


def _lattice_noise(lattice: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    s, t = u - column, v - row
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    top = lattice[row, column] * (1 - s) + lattice[row, column + 1] * s
    bottom = lattice[row + 1, column] * (1 - s) + lattice[row + 1, column + 1] * s
    return top * (1 - t) + bottom * t


def _discs(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = _colours(rng, 2) * 0.55
    picture = a * (1 - y[..., None]) + b * y[..., None]
    for colour in _colours(rng, int(rng.integers(15, 45))):
        radius = rng.uniform(0.015, 0.11)
        distance = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1)) / radius
        light = np.clip((1 - distance) * 8, 0, 1) * rng.uniform(0.25, 0.9)
        picture = picture + light[..., None] * (colour * 1.1 - 0.5 * picture)
    return picture


def _rectangles(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    wall, floor = _colours(rng, 2)
    picture = np.where(y[..., None] < rng.uniform(0.6, 1.2), wall, floor) * np.ones((*x.shape, 1))
    for colour in _colours(rng, int(rng.integers(4, 14))):
        left, top = rng.uniform(-0.1, 0.9, 2)
        width, height = rng.uniform(0.05, 0.45, 2)
        u, v = (x - left) / width, (y - top) / height
        inside = ((u >= 0) & (u < 1) & (v >= 0) & (v < 1))[..., None]
        frame = inside & (np.minimum(np.minimum(u, 1 - u) * width, np.minimum(v, 1 - v) * height) < 0.012)[..., None]
        shade = colour * (0.8 + 0.4 * u[..., None])
        picture = np.where(inside, shade, picture)
        picture = np.where(frame, colour * rng.uniform(0.2, 0.6), picture)
    return picture
