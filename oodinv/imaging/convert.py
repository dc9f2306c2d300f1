"""8-bit pixels and the networks' floats."""

import numpy as np
from jaxtyping import Float32, UInt8


def to_crop(pixels: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "3 height width"]:
    """8-bit RGB, channels last, to RGB in [-1, 1], channels first: 0 becomes -1, 255 becomes 1."""
    scaled = pixels.astype(np.float32) / np.float32(127.5) - 1
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def to_uint8(crop: Float32[np.ndarray, "3 height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """RGB in [-1, 1] to 8-bit RGB, channels last; rounded to the nearest (halves to even), clamped.

    Raises:
        ValueError: The picture holds NaN or infinity, which no pixel can show.
    """
    return _to_bytes((crop.transpose(1, 2, 0) + 1) * np.float32(127.5))


def mask_to_uint8(mask: Float32[np.ndarray, "1 height width"]) -> UInt8[np.ndarray, "height width"]:
    """A mask in [0, 1] to 8-bit grey: 255 = 1.

    Raises:
        ValueError: The mask holds NaN or infinity.
    """
    return _to_bytes(mask[0] * np.float32(255))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("expected finite pixel values, got NaN or infinity; the network that made them has diverged")
    return np.rint(values).clip(0, 255).astype(np.uint8)
