"""What all plots share: paper, ink, a font, a scale with round steps, a legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, GREY, LINE = (255, 255, 255), (34, 34, 34), (110, 110, 110), (223, 223, 223)
COLOURS = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (120, 120, 120),
)  # fmt: skip
"""Told apart by the colour-blind (Okabe and Ito)."""
TEXT, TITLE, SMALL = 14, 18, 12
_SWATCH, _GAP = 14, 18


Number = float | int
"""Pixels, in whole or in part."""


class Canvas:
    """A picture to draw on."""

    def __init__(self, width: int, height: int):
        self.image = Image.new("RGB", (width, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, x: Number, y: Number, text: str, *, size: int = TEXT, anchor: str = "la", fill: tuple[int, int, int] = INK
    ) -> None:
        """Write; `anchor` as Pillow's: la = left and top, mm = middle, rm = right and middle."""
        self.draw.text((x, y), text, fill=fill, font=font(size), anchor=anchor)

    def legend(self, x: Number, y: Number, names: Sequence[str], width: Number) -> Number:
        """Swatches with names in lines of at most a width; the height taken."""
        left, top = x, y
        for number, name in enumerate(names):
            needed = _SWATCH + 6 + text_width(name) + _GAP
            if left > x and left + needed > x + width:
                left, top = x, top + 22
            self.draw.rectangle((left, top + 2, left + _SWATCH, top + 2 + _SWATCH), fill=colour(number))
            self.text(left + _SWATCH + 6, top + 1, name)
            left += needed
        return top + 26 - y if names else 0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A linear axis: values to pixels, with round steps."""

    low: Number
    high: Number
    start: Number
    """Pixel of `low`."""
    stop: Number
    """Pixel of `high`."""
    step: Number

    def at(self, value: Number) -> Number:
        """Pixel of a value; beyond the ends, the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[Number]:
        """Round values on the axis."""
        first = math.ceil(self.low / self.step - 1e-9)
        return [n * self.step for n in range(first, math.floor(self.high / self.step + 1e-9) + 1)]


def round_scale(values: Sequence[Number], start: Number, stop: Number, *, from_zero: bool = True) -> Scale:
    """A scale that holds finite values and ends on round steps."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12:
        high = low + 1
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough - 1e-12)
    return Scale(
        low=math.floor(low / step + 1e-9) * step,
        high=math.ceil(high / step - 1e-9) * step,
        start=start,
        stop=stop,
        step=step,
    )


def number_text(value: Number) -> str:
    """Three significant digits; a dash for what is not a number."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def colour(number: int) -> tuple[int, int, int]:
    """Of the n-th series."""
    return COLOURS[number % len(COLOURS)]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, the same on every machine."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int = TEXT) -> float:
    """Pixels."""
    return font(size).getlength(text)
