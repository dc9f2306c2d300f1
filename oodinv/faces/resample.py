"""One anti-aliased resampling of a picture under a similarity transform.

Used in both directions: photo to crop, and crop back to photo. When the output is coarser than the source
(scale > 1 source pixel per output pixel), detail that the output cannot hold has to be averaged away first, or it
folds into false patterns. Two cheap averages do that, both of which reproduce constants and linear ramps exactly:

1. the source is reduced by whole boxes of floor(scale) pixels (only the part the output needs);
2. the remaining scale, in [1, 2), is sampled bilinearly at 2 x 2 points per output pixel, which are averaged; up to
   1.1 one point does, where false patterns are faint and the average would only blur.

At scale <= 1 it is plain bilinear interpolation.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Shaped

_ONE_POINT_DOES = 1.1


def scale_of(matrix: Float[np.ndarray, "2 3"]) -> float:
    """Length in target units of one unit of the affine's input: the square root of its area factor."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def invert_affine(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The affine that undoes `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


def apply_affine(
    matrix: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, "points 2"]:
    """x, y of each point after the affine."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def resample(
    source: Shaped[np.ndarray, "source_height source_width channels"],
    matrix: Float[np.ndarray, "2 3"],
    height: int,
    width: int,
) -> Float32[np.ndarray, "height width channels"]:
    """Draw `source` on a new pixel grid, anti-aliased.

    Convention:
        `matrix` maps output coordinates to source coordinates (a backward map), both continuous with pixel
        centres at + 0.5. It is a similarity. Beyond its border the source is mirrored about its outer edge.

    Args:
        source: Picture of any range; integers or floats.
        matrix: Output pixel to source pixel.
        height: Rows of the output.
        width: Columns of the output.

    Returns:
        Values in the source's units, float32.
    """
    scale = scale_of(matrix)
    reduction = max(1, math.floor(scale))
    supersampling = 2 if scale / reduction > _ONE_POINT_DOES else 1
    window, origin = _window(source, matrix, height, width, reduction)
    reduced = _box_reduce(window, reduction)
    to_window = (matrix - np.array([[0, 0, origin[0]], [0, 0, origin[1]]])) / reduction
    sampled = _bilinear(reduced, to_window, height, width, supersampling)
    return _box_reduce(sampled, supersampling)


def _window(
    source: Shaped[np.ndarray, "source_height source_width channels"],
    matrix: Float[np.ndarray, "2 3"],
    height: int,
    width: int,
    reduction: int,
) -> tuple[Shaped[np.ndarray, "rows columns channels"], tuple[int, int]]:
    """The part of the source that the output sees, and the x, y of its corner, both multiples of `reduction`."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=float)
    seen = apply_affine(matrix, corners) / reduction
    x0, y0 = (math.floor(v) * reduction for v in seen.min(axis=0) - 1)
    x1, y1 = (math.ceil(v) * reduction for v in seen.max(axis=0) + 1)
    if x0 >= 0 and y0 >= 0 and x1 <= source.shape[1] and y1 <= source.shape[0]:
        return source[y0:y1, x0:x1], (x0, y0)
    return _mirrored(_mirrored(source, 0, y0, y1), 1, x0, x1), (x0, y0)


def _mirrored(
    source: Shaped[np.ndarray, "source_height source_width channels"], axis: int, start: int, stop: int
) -> Shaped[np.ndarray, "rows columns channels"]:
    """From `start` to `stop` along an axis, mirrored where it ends. Only what is mirrored is gathered one by one."""
    size = source.shape[axis]
    first, last = (min(max(end, 0), size) for end in (start, stop))

    def gathered(start: int, stop: int) -> Shaped[np.ndarray, "rows columns channels"]:
        index = np.arange(start, stop) % (2 * size)
        return source.take(np.minimum(index, 2 * size - 1 - index), axis=axis)

    inner = source[first:last] if axis == 0 else source[:, first:last]
    parts = gathered(start, min(stop, first)), inner, gathered(max(start, last), stop)
    return np.concatenate(parts, axis=axis)


def _box_reduce(
    picture: Shaped[np.ndarray, "rows columns channels"], factor: int
) -> Float32[np.ndarray, "reduced_rows reduced_columns channels"]:
    """Mean of whole boxes of factor x factor pixels."""
    if factor == 1:
        return picture.astype(np.float32, copy=False)
    # Row by row and then column by column of the boxes: several times as fast as sums along short axes.
    bands = picture[::factor].astype(np.float32)
    for row in range(1, factor):
        bands += picture[row::factor]
    boxes = bands[:, ::factor].copy()
    for column in range(1, factor):
        boxes += bands[:, column::factor]
    boxes /= np.float32(factor * factor)
    return boxes


def _bilinear(
    picture: Float32[np.ndarray, "rows columns channels"],
    matrix: Float[np.ndarray, "2 3"],
    height: int,
    width: int,
    supersampling: int,
) -> Float32[np.ndarray, "fine_height fine_width channels"]:
    u = (np.arange(width * supersampling) + 0.5) / supersampling
    v = (np.arange(height * supersampling) + 0.5)[:, None] / supersampling
    rows, columns, _ = picture.shape
    grid = np.empty((1, v.shape[0], u.shape[0], 2), dtype=np.float32)
    # grid_sample's align_corners=False: -1 and 1 are the outer edges, which is this project's convention scaled.
    for axis, size in enumerate((columns, rows)):
        across, down, origin = matrix[axis] * (2 / size)
        # One sum for each point, in float64 and rounded once.
        np.add(across * u + (origin - 1), down * v, out=grid[0, ..., axis], casting="same_kind")
    channels_first = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    sampled = F.grid_sample(
        channels_first, torch.from_numpy(grid), mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled[0].permute(1, 2, 0).numpy()
