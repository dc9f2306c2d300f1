"""Bytes to photo: the only door through which foreign files come in."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from oodinv.imaging.colour import to_rgb
from oodinv.imaging.errors import PhotoError
from oodinv.imaging.sniff import READABLE_FORMATS, describe_start, is_cut_short, sniff_format

# The format's own class and not Image.open: no other parser is ever tried, and the size gate below is the only one
# (Image.open warns about large pictures through the process-wide warnings filter before a caller can look at the size).
_READERS: dict[str, type[JpegImageFile | PngImageFile | WebPImageFile | BmpImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
}

T = TypeVar("T")

_ORIENTATION_TAG = 0x0112
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""EXIF orientation to what makes it upright; 1 and anything unknown is upright already."""


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What a photo may be at most; checked before its pixels are decoded."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 20_000

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.max_side) < 1:
            raise ValueError(f"limits of a photo must be at least 1, got {self}")


def decode_photo(
    data: bytes,
    limits: DecodeLimits = DecodeLimits(),
) -> UInt8[np.ndarray, "height width 3"]:
    """Decode a JPEG, PNG, WebP or BMP file into an upright 8-bit sRGB photo.

    EXIF orientation is applied; CMYK, palettes, grey, 16 bit and transparency (over white) become RGB, see `to_rgb`.
    Of a phone's multi-picture JPEG the main picture is taken. A damaged colour profile or EXIF block is ignored.

    Args:
        data: The whole file.
        limits: Larger files and pictures are refused by their length and header.

    Raises:
        PhotoError: The bytes are refused; `error_class` says why, the text says what came.
    """
    image, format_name = _open(data, limits)
    width, height = image.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise _too_many_pixels(limits, f"{width} x {height}")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise PhotoError("animated", f"expected a still photo, got an animation of {frames} pictures")
    _guarded(image.load, data, format_name)
    photo = _guarded(lambda: to_rgb(image), data, format_name)
    return np.ascontiguousarray(_UPRIGHT.get(_orientation(image), lambda a: a)(photo))


def _open(data: bytes, limits: DecodeLimits) -> tuple[Image.Image, str]:
    if not data:
        raise PhotoError("empty", "expected a photo, got a file of 0 bytes")
    if len(data) > limits.max_bytes:
        raise PhotoError("too-many-bytes", f"expected at most {limits.max_bytes} bytes, got {len(data)}")
    expected = ", ".join(READABLE_FORMATS)
    format_name = sniff_format(data)
    if format_name is None:
        raise PhotoError(
            "not-an-image", f"expected a photo ({expected}), got a file that starts with {describe_start(data)}"
        )
    if format_name not in _READERS:
        raise PhotoError(
            "unsupported-format", f"expected a photo ({expected}), got a {format_name} file; convert it first"
        )
    try:
        return _guarded(lambda: _READERS[format_name](io.BytesIO(data)), data, format_name), format_name
    except Image.DecompressionBombError as error:  # WebP: its decoder would take memory for the canvas on opening
        raise _too_many_pixels(limits, "more than Pillow itself opens") from error


def _too_many_pixels(limits: DecodeLimits, found: str) -> PhotoError:
    expected = f"at most {limits.max_pixels} pixels and sides up to {limits.max_side}"
    return PhotoError("too-many-pixels", f"expected {expected}, the header says {found}; shrink the photo")


def _guarded(step: Callable[[], T], data: bytes, format_name: str) -> T:
    """Run a step of the decoder; whatever it stumbles over in the bytes becomes a PhotoError."""
    try:
        return step()
    except (PhotoError, Image.DecompressionBombError, MemoryError):  # memory: the machine's trouble, not the photo's
        raise
    except Exception as error:  # Pillow's parsers raise a dozen types on damaged files, struct.error to KeyError
        detail = f"{type(error).__name__}: {error}"
        if "truncated" in str(error) or is_cut_short(data, format_name):
            reason, what = (
                "truncated",
                f"a {format_name} file that ends after {len(data)} bytes, before its picture does",
            )
        elif "cannot handle" in str(error):
            reason, what = "unsupported-mode", f"a {format_name} file with pixels of a kind that cannot be read"
        else:
            reason, what = "corrupt", f"a damaged {format_name} file"
        raise PhotoError(reason, f"expected a whole photo, got {what} ({detail})") from error


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged EXIF block fails in as many ways as there are bytes; the photo is fine
        return 1
    return value if isinstance(value, int) else 1
