"""Where a picture's bytes lie, and how they become pixels of the size that is asked for."""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Mode = Literal["RGB", "L"]
MAX_SIDE = 16_384
"""Pixels; larger pictures are not decoded, whatever their header promises."""
MAX_BYTES = 1 << 28
"""Of an encoded picture; longer ones are not read."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
"""Pillow's names. No other of its parsers sees a stranger's file, whatever the file is called: some start programs."""


class BrokenPicture(Exception):
    """Bytes that are no square picture of a sensible size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A file, or a stretch of one: a member of a tar archive is read without unpacking it."""

    path: Path
    offset: int = 0
    length: int | None = None
    """None: to the end of the file."""

    def read(self) -> bytes:
        """The bytes.

        Raises:
            BrokenPicture: The file is shorter than it was, too long, cannot be read, or is gone.
        """
        try:
            with self.path.open("rb") as file:
                length = os.fstat(file.fileno()).st_size - self.offset if self.length is None else self.length
                if length > MAX_BYTES:
                    raise BrokenPicture(f"{length} bytes, at most {MAX_BYTES} are read")
                file.seek(self.offset)
                data = file.read(max(length, 0))
        except OSError as error:
            raise BrokenPicture(f"cannot be read: {error.strerror}") from error
        if self.length is not None and len(data) < self.length:
            raise BrokenPicture(f"cut off after {len(data)} of {self.length} bytes")
        return data


def decode(data: bytes, mode: Mode, size: int | None) -> UInt8[np.ndarray, "channels size size"]:
    """Decode a square picture; one that is larger than asked is averaged over areas down to it.

    Args:
        data: An encoded picture in one of `FORMATS`, of any colour mode.
        mode: ``RGB`` gives three channels, ``L`` one.
        size: Side of the result in pixels; None = as it is.

    Raises:
        BrokenPicture: Not a picture, not square, cut off, or smaller than ``size``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large picture is refused below, by its sides
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_sides(image.size, size)
                image.load()
                pixels = image.convert(mode)
    except BrokenPicture:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on hostile bytes
        raise BrokenPicture(f"not a readable picture ({type(error).__name__})") from error
    if size is not None and pixels.size != (size, size):
        pixels = pixels.resize((size, size), Image.Resampling.BOX)
    array = np.asarray(pixels, dtype=np.uint8)
    return np.ascontiguousarray(array.transpose(2, 0, 1) if mode == "RGB" else array[None])


def decode_centre(data: bytes, size: int) -> UInt8[np.ndarray, "3 size size"]:
    """Decode the central square of a picture of any shape, scaled up or down to a size.

    Raises:
        BrokenPicture: Not a picture, cut off, or larger than any that is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if max(width, height) > MAX_SIDE:
                    raise BrokenPicture(f"{width}x{height} pixels, at most {MAX_SIDE} on a side are decoded")
                image.draft("RGB", (2 * size, 2 * size))
                image.load()
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                # Cut before it is scaled: a filter would reach over the border of the square.
                square = image.convert("RGB").crop((left, top, left + side, top + side))
                square = square.resize((size, size), Image.Resampling.BILINEAR)
    except BrokenPicture:
        raise
    except Exception as error:
        raise BrokenPicture(f"not a readable picture ({type(error).__name__})") from error
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))


def side_of(data: bytes) -> int:
    """Side of an encoded square picture in pixels, read from its header.

    Raises:
        BrokenPicture: As for `decode`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_sides(image.size, None)
                return image.width
    except BrokenPicture:
        raise
    except Exception as error:
        raise BrokenPicture(f"not a readable picture ({type(error).__name__})") from error


def _check_sides(sides: tuple[int, int], size: int | None) -> None:
    width, height = sides
    if width != height:
        raise BrokenPicture(f"not square: {width}x{height} pixels, expected an aligned crop")
    if width > MAX_SIDE:
        raise BrokenPicture(f"{width}x{height} pixels, at most {MAX_SIDE} on a side are decoded")
    if size is not None and width < size:
        raise BrokenPicture(f"{width}x{height} pixels, smaller than the {size} asked for")
