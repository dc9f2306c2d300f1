"""Pixels moved along a motion, each picture at its own resolution.

A motion comes from the networks as they state flows: backward, normalised so that the crop's full width is 2.0 from the
centre of the first pixel to that of the last, x before y. Here it is counted in pixels.
"""

import numpy as np
from jaxtyping import Float, Float32, Shaped

from oodinv.faces.loops import move


def motion_in_pixels(
    motion: Float32[np.ndarray, "2 size size"],
) -> Float32[np.ndarray, "size size 2"]:
    """A normalised motion in the crop's pixels, channels last."""
    half = np.float32((motion.shape[-1] - 1) / 2)
    return np.ascontiguousarray(motion.transpose(1, 2, 0)) * half


def eased(steps: Float32[np.ndarray, "size size 2"], rim: float) -> Float32[np.ndarray, "size size 2"]:
    """Let displacements die out towards the crop's border, smoothly (cubic) over a rim of `rim` crop sides."""
    size = steps.shape[0]
    along = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size
    share = (np.minimum(along, 1 - along) / rim).clip(0, 1)
    ramp = share * share * (3 - 2 * share)
    return steps * np.minimum(ramp[:, None], ramp[None])[..., None].astype(np.float32)


def moved(
    picture: Shaped[np.ndarray, "height width channels"],
    displacement: Float[np.ndarray, "rows columns 2"],
    origin: tuple[int, int] = (0, 0),
) -> Float32[np.ndarray, "rows columns channels"]:
    """A part of a picture, with every pixel fetched from a place aside: result(p) = picture(p + displacement(p)).

    Convention:
        Bilinear; beyond its border the picture is mirrored about its outer edge. Where the displacement is exactly 0
        the pixel's own value comes back.

    Args:
        picture: Of any range; integers or floats.
        displacement: x and y in the picture's pixels.
        origin: x and y of the part's first pixel.

    Returns:
        Values in the picture's units.

    Raises:
        ValueError: The picture has no pixels.
    """
    if not picture.size:
        raise ValueError(f"expected a picture with pixels, got one of shape {picture.shape}")
    left, top = origin
    pixels = np.ascontiguousarray(picture, dtype=None if picture.dtype == np.uint8 else np.float32)
    out = np.empty((*displacement.shape[:2], picture.shape[2]), np.float32)
    move(pixels, np.ascontiguousarray(displacement, dtype=np.float64), left, top, out)
    return out
