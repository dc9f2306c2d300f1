"""What lies over a photo and not in the scene: writing and patches of texture, with their exact alpha."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

Rng = np.random.Generator
_WORDS = (
    "BREAKING", "SALE", "SAMPLE", "PREVIEW", "hello", "Weekend", "LIVE", "draft", "No. 7", "DEMO", "summer", "PROOF",
    "follow", "news at ten", "stock photo", "2019", "COPY", "do not use", "cinema", "Lorem ipsum", "dolor sit", "X-1",
)  # fmt: skip

LEAST_OPACITY = 0.55
"""Of writing: what hides less than half of a photo would be an accessory without one pixel that counts as covered."""


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Colours and how much of them is seen."""

    colours: Float[np.ndarray, "size size 3"]
    """sRGB in [0, 1]."""
    alpha: UInt8[np.ndarray, "size size"]
    """255 hides the photo."""


def lay_over(photo: UInt8[np.ndarray, "size size 3"], overlay: Overlay) -> UInt8[np.ndarray, "size size 3"]:
    """The photo under an overlay, blended in sRGB by the overlay's bytes of alpha."""
    share = overlay.alpha[..., None] / 255.0
    return np.round(photo * (1 - share) + overlay.colours * 255 * share).astype(np.uint8)


def text(
    size: int, rng: Rng, *, form: Literal["caption", "watermark", "date", "banner", "stamp"] = "caption"
) -> Overlay:
    """Writing over the photo: a caption, a repeated watermark, a date, a banner with words, a slanted stamp."""
    fine = 2 * size  # drawn at twice the size, so that edges are as soft as the scene's
    ink = Image.new("L", (fine, fine), 0)
    colour = rng.uniform(0.85, 1.0, 3) if rng.random() < 0.6 else rng.uniform(0, 1, 3)
    colours = np.broadcast_to(colour, (size, size, 3)).copy()
    opacity = 1.0
    if form == "caption":
        _write(ink, _phrase(rng, 2), (0.5, rng.uniform(0.66, 0.78)), rng.uniform(0.055, 0.09))
    elif form == "date":
        stamp = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.'{rng.integers(70, 100)}"
        _write(ink, stamp, (rng.uniform(0.55, 0.68), rng.uniform(0.72, 0.8)), rng.uniform(0.05, 0.075))
        colours[:] = (1.0, rng.uniform(0.4, 0.7), 0.1)
    elif form == "watermark":
        word, opacity = _phrase(rng, 1), max(LEAST_OPACITY, rng.uniform(0.35, 0.75))
        for row in np.arange(-0.2, 1.3, rng.uniform(0.14, 0.22)):
            for column in np.arange(-0.2, 1.3, 0.36):
                _write(ink, word, (column + 0.4 * (row % 0.4), row), 0.05)
        ink = ink.rotate(rng.uniform(20, 40), resample=Image.Resampling.BILINEAR)
    elif form == "stamp":
        opacity = rng.uniform(0.6, 0.95)
        _write(ink, _phrase(rng, 1).upper(), (0.5, 0.5), rng.uniform(0.09, 0.14))
        box = ink.getbbox()
        assert box is not None
        margin = fine // 50
        frame = (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)
        ImageDraw.Draw(ink).rectangle(frame, outline=255, width=max(2, fine // 100))
        ink = ink.rotate(rng.uniform(-35, 35), resample=Image.Resampling.BILINEAR, translate=_shift(rng, fine))
        colours[:] = (rng.uniform(0.55, 0.95), rng.uniform(0, 0.25), rng.uniform(0, 0.3))
    else:
        top, tall = rng.uniform(0.6, 0.7), rng.uniform(0.09, 0.14)
        plate = Image.new("L", ink.size, 0)
        ImageDraw.Draw(plate).rectangle((0, top * fine, fine, (top + tall) * fine), fill=255)
        _write(ink, _phrase(rng, 3), (0.5, top + tall / 2), tall * 0.5)
        letters = _halved(ink)[..., None] / 255.0
        colours = rng.uniform(0, 1, 3) * (1 - letters) + colours * letters
        opacity = rng.uniform(0.7, 1.0)
        ink = plate
    return Overlay(colours=colours, alpha=np.round(_halved(ink) * opacity).astype(np.uint8))


def patch(
    size: int, rng: Rng, *, form: Literal["stripes", "checks", "noise", "dots", "bricks", "rainbow"] = "stripes"
) -> Overlay:
    """A piece of foreign texture over a part of the face, with an outline of its own and a soft or hard edge."""
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    angle = rng.uniform(0, np.pi)
    dx, dy = x - rng.uniform(0.36, 0.64), y - rng.uniform(0.36, 0.68)
    u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    a, b = rng.uniform(0.05, 0.13, 2)
    power = rng.choice([2.0, 8.0])
    wobble = 1 + rng.uniform(0, 0.25) * np.sin(rng.integers(2, 6) * np.arctan2(v, u) + angle)
    distance = ((np.abs(u / a) ** power + np.abs(v / b) ** power) ** (1 / power)) / wobble - 1
    softness = rng.uniform(1.0, 6.0) / size / min(a, b)
    alpha = np.clip(0.5 - distance / softness, 0, 1) * (1.0 if rng.random() < 0.7 else rng.uniform(0.6, 0.95))
    first, second = rng.uniform(0, 1, (2, 3))
    scale = rng.uniform(0.02, 0.06)
    p, q = u / scale, v / scale
    if form == "stripes":
        share = np.clip((np.abs(p % 1 - 0.5) - 0.25) * scale * size + 0.5, 0, 1)
    elif form == "checks":
        share = (np.floor(p) + np.floor(q)) % 2
    elif form == "noise":
        cells = rng.random((48, 48))
        share = cells[(y * 47 * 0.5 / scale / 16).astype(int) % 48, (x * 47 * 0.5 / scale / 16).astype(int) % 48]
    elif form == "dots":
        share = np.clip((0.34 - np.hypot(p % 1 - 0.5, q % 1 - 0.5)) * scale * size + 0.5, 0, 1)
    elif form == "bricks":
        shifted = p / 2 + 0.5 * (np.floor(q) % 2)
        share = ((shifted % 1 < 0.07) | (q % 1 < 0.12)).astype(float)
    else:
        phase = (p * 0.4)[..., None] + np.array([0, 1 / 3, 2 / 3])
        return Overlay(colours=0.5 + 0.5 * np.cos(2 * np.pi * phase), alpha=np.round(alpha * 255).astype(np.uint8))
    colours = first * (1 - share[..., None]) + second * share[..., None]
    return Overlay(colours=colours, alpha=np.round(alpha * 255).astype(np.uint8))


def _phrase(rng: Rng, most: int) -> str:
    return " ".join(_WORDS[i] for i in rng.integers(len(_WORDS), size=rng.integers(1, most + 1)))


def _shift(rng: Rng, fine: int) -> tuple[int, int]:
    across, down = (rng.uniform([-0.08, -0.1], [0.08, 0.14]) * fine).astype(int)
    return int(across), int(down)


def _write(ink: Image.Image, words: str, place: tuple[float, float], height: float) -> None:
    side = ink.width
    font = ImageFont.load_default(max(6.0, round(height * side)))
    ImageDraw.Draw(ink).text((place[0] * side, place[1] * side), words, fill=255, font=font, anchor="mm")


def _halved(ink: Image.Image) -> UInt8[np.ndarray, "size size"]:
    return np.asarray(ink.resize((ink.width // 2, ink.height // 2), Image.Resampling.BOX), dtype=np.uint8)
