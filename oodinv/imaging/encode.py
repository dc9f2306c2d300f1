"""Photo to bytes: same pixels and same provenance, same bytes; no time, no other metadata."""

import io
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from oodinv.imaging.provenance import Provenance

PhotoFormat = Literal["jpeg", "png", "webp"]

_PNG_XMP = "XML:com.adobe.xmp"
"""Keyword under which PNG files carry XMP."""

_MAX_SIDE = {"jpeg": 65_535, "png": 2**31 - 1, "webp": 16_383}


def encode_photo(
    pixels: UInt8[np.ndarray, "height width 3"] | UInt8[np.ndarray, "height width"],
    *,
    format: PhotoFormat,
    quality: int = 95,
    provenance: Provenance | None = None,
) -> bytes:
    """Encode RGB or grey pixels.

    PNG keeps every pixel. JPEG is written without chroma subsampling, so that kept parts of a photo lose as little as
    they can. WebP is lossy.

    Args:
        pixels: RGB photo or grey picture (such as a mask).
        format: Kind of file.
        quality: 1 to 100, of JPEG and WebP; PNG has none.
        provenance: What the file says about its making, see ``imaging.provenance``; None = nothing.

    Raises:
        ValueError: Unknown format, quality out of range, or sides the format cannot hold.
    """
    if format not in _MAX_SIDE:
        raise ValueError(f"expected format {', '.join(_MAX_SIDE)}; got {format!r}")
    if not 1 <= quality <= 100:
        raise ValueError(f"expected a quality from 1 to 100, got {quality}")
    height, width = pixels.shape[:2]
    if not 1 <= min(height, width) <= max(height, width) <= _MAX_SIDE[format]:
        raise ValueError(
            f"expected sides from 1 to {_MAX_SIDE[format]} for {format}, got {width} x {height}; choose another format"
        )
    image = Image.fromarray(np.ascontiguousarray(pixels))
    packet = b"" if provenance is None else provenance.packet()
    buffer = io.BytesIO()
    if format == "jpeg":
        image.save(buffer, "JPEG", quality=quality, subsampling=0, xmp=packet)
    elif format == "png":
        info = PngInfo()
        if packet:
            info.add_itxt(_PNG_XMP, packet.decode(), zip=False)
        image.save(buffer, "PNG", compress_level=6, pnginfo=info)
    else:
        image.save(buffer, "WEBP", quality=quality, method=4, xmp=packet)
    return buffer.getvalue()
