"""A matrix as coloured cells with their numbers."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image

from oodinv.report.plots.canvas import GREY, INK, SMALL, TITLE, Canvas, text_width

_CELL_HEIGHT, _PAD, _STEPS = 36, 12, 120
_NEGATIVE, _MIDDLE, _POSITIVE = (202, 0, 32), (247, 247, 247), (5, 113, 176)


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Float[np.ndarray, "rows columns"],
    *,
    unit: str,
    framed: Sequence[tuple[int, int]] = (),
) -> Image.Image:
    """Cells from red (negative) over white (0) to blue (positive), the ends at the largest absolute value.

    Args:
        title: Above the matrix.
        rows: Names on the left.
        columns: Names above.
        values: NaN leaves a cell white with a dash.
        unit: Under the scale.
        framed: Cells (row, column) to frame, such as the diagonal.
    """
    left = math.ceil(max((text_width(name) for name in rows), default=0)) + 2 * _PAD
    cell = max(60, math.ceil(max((text_width(name) for name in columns), default=0)) + _PAD)
    width = max(left + cell * len(columns) + _PAD, math.ceil(text_width(title, TITLE)) + 40)
    width = max(width, left + 2 * _STEPS + 24 + math.ceil(text_width(unit, SMALL)) + _PAD)
    top = 78
    canvas = Canvas(width, top + _CELL_HEIGHT * len(rows) + 64)
    canvas.text(16, 12, title, size=TITLE)
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 1.0
    largest = largest or 1.0
    for column, name in enumerate(columns):
        canvas.text(left + (column + 0.5) * cell, top - 8, name, anchor="ms")
    for row, name in enumerate(rows):
        y = top + row * _CELL_HEIGHT
        canvas.text(left - _PAD, y + _CELL_HEIGHT / 2, name, anchor="rm")
        for column in range(len(columns)):
            value, x = float(values[row, column]), left + column * cell
            fill = _shade(value / largest) if math.isfinite(value) else (255, 255, 255)
            canvas.draw.rectangle((x + 1, y + 1, x + cell - 2, y + _CELL_HEIGHT - 2), fill=fill)
            ink = (255, 255, 255) if math.isfinite(value) and abs(value) > 0.6 * largest else INK
            text = f"{value:+.2f}" if math.isfinite(value) else "–"
            canvas.text(x + cell / 2, y + _CELL_HEIGHT / 2, text, anchor="mm", fill=ink)
    for row, column in framed:
        x, y = left + column * cell, top + row * _CELL_HEIGHT
        canvas.draw.rectangle((x, y, x + cell - 1, y + _CELL_HEIGHT - 1), outline=INK, width=2)
    _key(canvas, left, top + _CELL_HEIGHT * len(rows) + 16, largest, unit)
    return canvas.image


def _key(canvas: Canvas, x: int, y: int, largest: float, unit: str) -> None:
    for step in range(_STEPS):
        at = x + 2 * step
        canvas.draw.rectangle((at, y, at + 1, y + 12), fill=_shade(2 * step / (_STEPS - 1) - 1))
    for share, value in ((0.0, -largest), (0.5, 0.0), (1.0, largest)):
        canvas.text(x + 2 * _STEPS * share, y + 18, f"{value:+.2g}" if value else "0", anchor="ma", size=SMALL)
    canvas.text(x + 2 * _STEPS + 24, y + 6, unit, anchor="lm", size=SMALL, fill=GREY)


def _shade(share: float) -> tuple[int, int, int]:
    end = _POSITIVE if share >= 0 else _NEGATIVE
    weight = min(abs(share), 1.0)
    red, green, blue = (round(a + weight * (b - a)) for a, b in zip(_MIDDLE, end, strict=True))
    return red, green, blue
