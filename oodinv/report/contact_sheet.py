"""A contact sheet: one row per face, one column per picture of it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_MARGIN, _TITLE, _INK, _PAPER = 6, 18, (40, 40, 40), (250, 250, 248)


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """Pictures of one face, left to right; None leaves the place empty."""

    tiles: Sequence[UInt8[np.ndarray, "size size 3"] | None]


def contact_sheet(columns: Sequence[str], rows: Sequence[SheetRow], *, tile: int = 160, across: int = 2) -> Image.Image:
    """Lay faces out under titled columns.

    Args:
        columns: Titles, one per picture of a face.
        rows: The faces.
        tile: Side of a picture on the sheet, in pixels.
        across: Faces side by side.

    Returns:
        The sheet, RGB.

    Raises:
        ValueError: A row has another number of pictures than there are titles.
    """
    for row in rows:
        if len(row.tiles) != len(columns):
            raise ValueError(f"every row needs {len(columns)} pictures ({', '.join(columns)}), got {len(row.tiles)}")
    across = max(1, min(across, len(rows)))
    block = len(columns) * (tile + _MARGIN) + _MARGIN
    lines = -(-len(rows) // across)
    sheet = Image.new("RGB", (across * block + _MARGIN, _TITLE + lines * (tile + _MARGIN) + 2 * _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for part in range(across):
        for index, title in enumerate(columns):
            draw.text((part * block + _MARGIN + index * (tile + _MARGIN) + 2, 4), title, fill=_INK, font=font)
    for number, row in enumerate(rows):
        x0, y = (number % across) * block + _MARGIN, _TITLE + _MARGIN + (number // across) * (tile + _MARGIN)
        for index, picture in enumerate(row.tiles):
            if picture is not None:
                image = Image.fromarray(picture).resize((tile, tile), Image.Resampling.LANCZOS)
                sheet.paste(image, (x0 + index * (tile + _MARGIN), y))
    return sheet


def to_jpeg(sheet: Image.Image, *, quality: int = 88) -> bytes:
    """The sheet as JPEG bytes, without metadata."""
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
