"""Pixels moved along a motion, each picture at its own resolution.

A motion comes from the networks as they state flows: backward, normalised so that the crop's full width is 2.0 from the
centre of the first pixel to that of the last, x before y. Here it is counted in pixels.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Shaped


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
    """
    rows, columns, _ = displacement.shape
    left, top = origin
    part = picture[top : top + rows, left : left + columns].astype(np.float32)
    moves = (displacement != 0).any(axis=-1)
    if not moves.any():
        return part
    x = displacement[..., 0][moves] + (np.nonzero(moves)[1] + left + 0.5)
    y = displacement[..., 1][moves] + (np.nonzero(moves)[0] + top + 0.5)
    part[moves] = _sampled(picture, x, y)
    return part


def _sampled(
    picture: Shaped[np.ndarray, "height width channels"],
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
) -> Float32[np.ndarray, "points channels"]:
    height, width, _ = picture.shape
    x, y = _mirrored(x, width), _mirrored(y, height)
    # Only what is looked at becomes floats; where the window is cut off, it ends with the picture.
    x0, x1 = _window(x, width)
    y0, y1 = _window(y, height)
    window = np.ascontiguousarray(picture[y0:y1, x0:x1].transpose(2, 0, 1), dtype=np.float32)
    # grid_sample's align_corners=False: -1 and 1 are the outer edges.
    grid = np.stack([(x - x0) * (2 / (x1 - x0)) - 1, (y - y0) * (2 / (y1 - y0)) - 1], axis=-1).astype(np.float32)
    sampled = F.grid_sample(
        torch.from_numpy(window)[None],
        torch.from_numpy(grid)[None, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return sampled[0, :, 0].T.numpy()


def _mirrored(along: Float[np.ndarray, " points"], size: int) -> Float[np.ndarray, " points"]:
    along = along % (2 * size)
    return np.minimum(along, 2 * size - along)


def _window(along: Float[np.ndarray, " points"], size: int) -> tuple[int, int]:
    """Pixels from, to (exclusive) that bilinear sampling at these positions in the picture sees."""
    return max(0, math.floor(along.min()) - 1), min(size, math.ceil(along.max()) + 1)
