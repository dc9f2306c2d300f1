"""Scenery out of focus: rooms and places that a portrait could have been taken in, drawn from a seed.

A scene is painted small, from far to near, and blurred as a lens would at that distance; lamps and gaps in foliage are
laid over it as discs of light.
"""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageFilter

Rng = np.random.Generator
Picture = Float[np.ndarray, "side side 3"]

_SIDE = 192  # a blurred picture needs no more


def indoors(rng: Rng, size: int) -> Picture:
    """A room: wall, then some of window, door, shelf, pictures, lamp and plant."""
    canvas = _Canvas(rng)
    warm = rng.uniform(0.9, 1.12)
    wall = _tinted(rng, 0.18, 0.85, 0.05) * [warm, 1.0, 2 - warm]
    canvas.fill(wall, wall * rng.uniform(0.6, 1.0))
    if rng.random() < 0.5:
        canvas.rectangle(-0.1, rng.uniform(0.7, 0.95), 1.3, 0.6, wall * rng.uniform(0.4, 0.8) * [1.1, 1.0, 0.85])
    furniture = (_window, _door, _shelf, _shelf, _pictures, _sofa)
    for piece in rng.permutation(len(furniture))[: rng.integers(2, 5)]:
        furniture[piece](canvas, rng)
    for _ in range(rng.integers(0, 3)):
        _lamp(canvas, rng)
    if rng.random() < 0.35:
        _leaves(canvas, rng, rng.uniform(0, 1), rng.uniform(0.5, 1.0), 0.22)
    return canvas.developed(rng.uniform(1.5, 5.0), size)


def outdoors(rng: Rng, size: int) -> Picture:
    """A park, a street or a landscape."""
    canvas = _Canvas(rng)
    kind = rng.integers(4)
    if kind == 0:
        return _park(canvas, rng, size)
    if kind == 1:
        return _night(canvas, rng, size)
    sky = _sky(rng)
    canvas.fill(sky, sky * 0.6 + 0.4 * np.array([0.92, 0.93, 0.93]))
    horizon = rng.uniform(0.45, 0.8)
    if kind == 2:
        _street(canvas, rng, horizon)
    else:
        _hills(canvas, rng, horizon)
    return canvas.developed(rng.uniform(2.0, 6.0), size)


class _Canvas:
    """A small linear picture, painted over and over."""

    def __init__(self, rng: Rng) -> None:
        line = (np.arange(_SIDE) + 0.5) / _SIDE
        self.x, self.y = np.meshgrid(line, line)
        self.pixels = np.zeros((_SIDE, _SIDE, 3))
        self.lights: list[tuple[float, float, float, np.ndarray]] = []
        tilt = rng.normal(0, 0.03)
        self.x, self.y = self.x + tilt * (self.y - 0.5), self.y - tilt * (self.x - 0.5)
        self.slack = 0.5 * abs(tilt)

    def fill(self, top: np.ndarray, bottom: np.ndarray) -> None:
        self.pixels[:] = top + (bottom - top) * np.clip(self.y, 0, 1)[..., None]

    def lay(self, cover: np.ndarray, colour: np.ndarray) -> None:
        cover = np.clip(cover, 0, 1)[..., None]
        self.pixels = self.pixels * (1 - cover) + np.asarray(colour) * cover

    def near(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """Rows and columns that hold everything between these coordinates, tilted as they are."""
        low = (np.array([top, left]) - self.slack) * _SIDE
        high = (np.array([bottom, right]) + self.slack) * _SIDE
        starts = np.clip(np.floor(low).astype(int) - 1, 0, _SIDE)
        stops = np.clip(np.ceil(high).astype(int) + 1, 0, _SIDE)
        return slice(starts[0], stops[0]), slice(starts[1], stops[1])

    def rectangle(self, left: float, top: float, width: float, height: float, colour: np.ndarray) -> None:
        near = self.near(left, top, left + width, top + height)
        inside = np.abs(self.x[near] - left - width / 2) < width / 2
        inside &= np.abs(self.y[near] - top - height / 2) < height / 2
        self.pixels[near][inside] = colour

    def ellipse(self, x: float, y: float, wide: float, tall: float, colour: np.ndarray, share: float) -> None:
        near = self.near(x - wide, y - tall, x + wide, y + tall)
        inside = ((self.x[near] - x) / wide) ** 2 + ((self.y[near] - y) / tall) ** 2 < 1
        patch = self.pixels[near]
        patch[inside] = patch[inside] * (1 - share) + np.asarray(colour) * share

    def developed(self, blur: float, size: int) -> Picture:
        """Blurred, with the lights as discs, at its final size."""
        image = Image.fromarray(np.round(np.clip(self.pixels, 0, 1) * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(blur)).resize((size, size), Image.Resampling.BICUBIC)
        picture = np.asarray(image, dtype=np.float32) / 255
        line = ((np.arange(size) + 0.5) / size).astype(np.float32)
        for x, y, radius, colour in self.lights:
            rows = slice(*np.clip([int((y - radius) * size) - 1, int((y + radius) * size) + 2], 0, size))
            columns = slice(*np.clip([int((x - radius) * size) - 1, int((x + radius) * size) + 2], 0, size))
            away = np.hypot(line[None, columns] - x, line[rows, None] - y) / radius
            disc = np.clip((1 - away) * 9, 0, 1) * (0.75 + 0.25 * away**3)
            patch = picture[rows, columns]
            picture[rows, columns] = 1 - (1 - patch) * (1 - disc[..., None] * colour.astype(np.float32))
        return np.clip(picture, 0, 1).astype(np.float64)


def _tinted(rng: Rng, low: float, high: float, colourful: float) -> np.ndarray:
    return np.clip(rng.uniform(low, high) + rng.normal(0, colourful, 3), 0.02, 0.98)


def _sky(rng: Rng) -> np.ndarray:
    clouded = rng.random()
    return np.array([0.38, 0.58, 0.85]) * (1 - clouded) + np.array([0.78, 0.80, 0.83]) * clouded


def _window(canvas: _Canvas, rng: Rng) -> None:
    left, top = rng.uniform(-0.1, 0.75), rng.uniform(-0.1, 0.25)
    width, height = rng.uniform(0.2, 0.5), rng.uniform(0.4, 0.7)
    frame = _tinted(rng, 0.5, 0.95, 0.02)
    canvas.rectangle(left - 0.025, top - 0.025, width + 0.05, height + 0.05, frame)
    view = _sky(rng) * rng.uniform(0.95, 1.2)
    canvas.rectangle(left, top, width, height, view)
    low = rng.uniform(0.1, 0.5) * height
    canvas.rectangle(left, top + height - low, width, low, view * rng.uniform([0.4, 0.55, 0.3], [0.7, 0.8, 0.6]))
    canvas.rectangle(left + width / 2 - 0.01, top, 0.02, height, frame)
    if rng.random() < 0.5:
        curtain = _tinted(rng, 0.3, 0.9, 0.08)
        for side in (left - 0.05, left + width - 0.06):
            canvas.rectangle(side, top - 0.05, 0.11, height + 0.25, curtain)


def _door(canvas: _Canvas, rng: Rng) -> None:
    left, colour = rng.uniform(-0.1, 0.8), _tinted(rng, 0.15, 0.8, 0.05) * [1.08, 1.0, 0.88]
    canvas.rectangle(left - 0.025, 0.0, 0.35, 1.2, colour * 0.75)
    canvas.rectangle(left, 0.03, 0.30, 1.2, colour)


def _shelf(canvas: _Canvas, rng: Rng) -> None:
    left, width = rng.uniform(-0.2, 0.7), rng.uniform(0.25, 0.6)
    top, rows = rng.uniform(-0.1, 0.3), int(rng.integers(2, 5))
    wood = _tinted(rng, 0.12, 0.6, 0.03) * [1.2, 1.0, 0.75]
    height = rng.uniform(0.14, 0.2)
    canvas.rectangle(left, top, width, rows * height, wood * 0.55)
    for row in range(rows):
        at = left + 0.01
        while at < left + width - 0.02:
            book, tall = rng.uniform(0.012, 0.05), height * rng.uniform(0.55, 0.88)
            if rng.random() < 0.85:
                canvas.rectangle(at, top + (row + 1) * height - tall, book, tall, _tinted(rng, 0.08, 0.75, 0.14))
            at += book + 0.002
        canvas.rectangle(left, top + (row + 1) * height - 0.012, width, 0.02, wood)


def _pictures(canvas: _Canvas, rng: Rng) -> None:
    for _ in range(rng.integers(1, 4)):
        left, top = rng.uniform(-0.05, 0.9), rng.uniform(0.0, 0.5)
        width, height = rng.uniform(0.08, 0.25, 2)
        canvas.rectangle(left - 0.015, top - 0.015, width + 0.03, height + 0.03, _tinted(rng, 0.05, 0.9, 0.03))
        canvas.rectangle(left, top, width, height, _tinted(rng, 0.2, 0.9, 0.10))


def _sofa(canvas: _Canvas, rng: Rng) -> None:
    left, top, colour = rng.uniform(-0.3, 0.5), rng.uniform(0.6, 0.85), _tinted(rng, 0.12, 0.7, 0.08)
    canvas.rectangle(left, top, 0.7, 0.6, colour)
    canvas.rectangle(left + rng.uniform(0, 0.5), top + 0.03, 0.16, 0.15, _tinted(rng, 0.2, 0.85, 0.15))


def _lamp(canvas: _Canvas, rng: Rng) -> None:
    x, y = rng.uniform(0, 1), rng.uniform(0.02, 0.5)
    glow = np.exp(-((canvas.x - x) ** 2 + (canvas.y - y) ** 2) / rng.uniform(0.01, 0.05))
    canvas.pixels = canvas.pixels + (glow * rng.uniform(0.15, 0.45))[..., None] * np.array([1.0, 0.82, 0.55])
    canvas.lights.append((x, y, rng.uniform(0.015, 0.05), np.array([1.0, 0.93, 0.75]) * rng.uniform(0.7, 1.0)))


def _leaves(canvas: _Canvas, rng: Rng, x: float, y: float, reach: float) -> None:
    green = rng.uniform([0.10, 0.22, 0.06], [0.35, 0.45, 0.20])
    for _ in range(60):
        u, v = rng.normal(x, reach * 0.5), rng.normal(y, reach * 0.5)
        wide, tall = rng.uniform(0.01, 0.05, 2)
        canvas.ellipse(u, v, wide, tall, green * rng.uniform(0.5, 1.5), 0.9)


def _park(canvas: _Canvas, rng: Rng, size: int) -> Picture:
    autumn = rng.random() < 0.25
    green = rng.uniform([0.16, 0.26, 0.08], [0.40, 0.48, 0.24])
    green = green * ([1.7, 1.0, 0.6] if autumn else [1.0, 1.0, 1.0])
    canvas.fill(green * rng.uniform(0.7, 1.5), green * rng.uniform(0.6, 1.2))
    for cells, weight in ((4, 0.55), (9, 0.4), (22, 0.3)):
        field = Image.fromarray(np.round(rng.random((cells, cells)) * 255).astype(np.uint8))
        shade = np.asarray(field.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), dtype=np.float64) / 255 - 0.5
        canvas.pixels = canvas.pixels * (1 + 2 * weight * shade[..., None])
    if rng.random() < 0.6:
        canvas.lay((canvas.y > rng.uniform(0.65, 0.95)) * 0.9, green * rng.uniform(0.9, 1.5))
    for _ in range(rng.integers(0, 4)):
        canvas.rectangle(rng.uniform(-0.05, 1), -0.1, rng.uniform(0.02, 0.07), 1.3, np.array([0.20, 0.15, 0.11]))
    low, high = rng.uniform(0.012, 0.03), rng.uniform(0.035, 0.06)
    for _ in range(rng.integers(5, 45)):
        light = np.clip(green * rng.uniform(1.2, 2.6) + 0.15, 0, 1) * rng.uniform(0.25, 0.7)
        canvas.lights.append((rng.uniform(0, 1), rng.uniform(0, 0.75), rng.uniform(low, high), light))
    return canvas.developed(rng.uniform(3.0, 7.0), size)


def _night(canvas: _Canvas, rng: Rng, size: int) -> Picture:
    dark = rng.uniform([0.03, 0.03, 0.06], [0.14, 0.13, 0.20])
    canvas.fill(dark, dark * rng.uniform(0.8, 1.8) + 0.02)
    for _ in range(rng.integers(3, 9)):
        left, top = rng.uniform(-0.1, 0.95), rng.uniform(0.0, 0.6)
        canvas.rectangle(left, top, rng.uniform(0.08, 0.3), 1.2, dark * rng.uniform(0.7, 2.2))
    radius = rng.uniform(0.015, 0.045)
    lamps = np.array([(1.0, 0.72, 0.38), (1.0, 0.88, 0.66), (0.95, 0.35, 0.25), (0.55, 0.75, 1.0), (0.5, 0.9, 0.6)])
    for _ in range(rng.integers(12, 50)):
        colour = lamps[rng.choice(5, p=(0.4, 0.3, 0.12, 0.12, 0.06))] * rng.uniform(0.35, 0.95)
        canvas.lights.append((rng.uniform(0, 1), rng.uniform(0.1, 0.9), radius * rng.uniform(0.7, 1.3), colour))
    return canvas.developed(rng.uniform(4.0, 7.0), size)


def _street(canvas: _Canvas, rng: Rng, horizon: float) -> None:
    at = -0.1
    while at < 1.05:
        width, top = rng.uniform(0.12, 0.4), rng.uniform(-0.3, horizon - 0.1)
        wall = _tinted(rng, 0.25, 0.8, 0.04) * [1.06, 1.0, 0.9]
        canvas.rectangle(at, top, width, 1.3 - top, wall)
        across, down = rng.uniform(0.045, 0.08), rng.uniform(0.07, 0.12)
        inside = (canvas.x > at + 0.01) & (canvas.x < at + width - 0.01) & (canvas.y > top + 0.02)
        inside &= canvas.y < horizon
        pane = (((canvas.x - at) / across) % 1 > 0.45) & (((canvas.y - top) / down) % 1 > 0.4)
        canvas.lay((inside & pane) * 0.85, wall * rng.uniform(0.25, 0.6) + [0.0, 0.01, 0.04])
        at += width + rng.uniform(0, 0.04) * (rng.random() < 0.4)
    canvas.rectangle(-0.1, horizon + 0.12, 1.3, 1.0, _tinted(rng, 0.25, 0.55, 0.02))
    for _ in range(rng.integers(0, 5)):
        canvas.rectangle(rng.uniform(0, 1), horizon - 0.02, rng.uniform(0.05, 0.2), 0.2, _tinted(rng, 0.08, 0.8, 0.12))
    if rng.random() < 0.4:
        _leaves(canvas, rng, rng.uniform(0, 1), rng.uniform(0, 0.4), 0.3)


def _hills(canvas: _Canvas, rng: Rng, horizon: float) -> None:
    for layer in range(int(rng.integers(2, 5))):
        height = horizon + 0.09 * layer
        waves = sum(rng.uniform(0.01, 0.05) * np.sin(canvas.x * rng.uniform(3, 14) + rng.uniform(0, 6)) for _ in "abc")
        near = np.array(rng.uniform([0.16, 0.24, 0.10], [0.50, 0.50, 0.30]))
        haze = np.array([0.62, 0.70, 0.78])
        share = 0.75**layer * 0.6
        canvas.lay((canvas.y > height + waves) * 1.0, near * (1 - share) + haze * share)
