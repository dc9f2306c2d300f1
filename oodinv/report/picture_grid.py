"""Pictures in rows and columns with a title, and sections of them below each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from oodinv.report.plots.canvas import GREY, LINE, SMALL, TITLE, Canvas

_MARGIN, _GAP, _HEAD, _CAPTION = 12, 4, 34, 18


@dataclass(frozen=True, kw_only=True)
class GridSection:
    """One block of pictures."""

    title: str
    pictures: Sequence[UInt8[np.ndarray, "height width 3"] | UInt8[np.ndarray, "height width"] | None]
    """Row by row; None leaves a place empty."""
    columns: int
    captions: Sequence[str] = ()
    """Above the columns, at most one each."""


def picture_grid(sections: Sequence[GridSection], *, tile: int) -> Image.Image:
    """Lay sections out below each other.

    Args:
        sections: At least one.
        tile: Side of a picture, in pixels.

    Returns:
        The sheet, RGB.

    Raises:
        ValueError: There is nothing to show, or a section has more captions than columns.
    """
    if not any(section.pictures for section in sections):
        raise ValueError("a sheet needs at least one picture")
    for section in sections:
        if len(section.captions) > section.columns:
            raise ValueError(f"{len(section.captions)} captions for {section.columns} columns: {section.title}")
    widest = max(section.columns for section in sections)
    width = 2 * _MARGIN + widest * (tile + _GAP) - _GAP
    canvas = Canvas(width, sum(_height(section, tile) for section in sections) + _MARGIN)
    y = 0
    for section in sections:
        canvas.text(_MARGIN, y + 10, section.title, size=TITLE)
        top = y + _HEAD + (_CAPTION if section.captions else 0)
        for column, caption in enumerate(section.captions):
            x = _MARGIN + column * (tile + _GAP)
            canvas.text(x + tile / 2, top - 4, caption, size=SMALL, anchor="ms", fill=GREY)
        for number, picture in enumerate(section.pictures):
            if picture is not None:
                row, column = divmod(number, section.columns)
                image = Image.fromarray(picture).convert("RGB")
                if image.size != (tile, tile):
                    image = image.resize((tile, tile), Image.Resampling.LANCZOS)
                x, below = _MARGIN + column * (tile + _GAP), top + row * (tile + _GAP)
                canvas.image.paste(image, (x, below))
                canvas.draw.rectangle((x - 1, below - 1, x + tile, below + tile), outline=LINE)
        y += _height(section, tile)
    return canvas.image


def _height(section: GridSection, tile: int) -> int:
    rows = -(-len(section.pictures) // section.columns)
    return _HEAD + (_CAPTION if section.captions else 0) + rows * (tile + _GAP)
