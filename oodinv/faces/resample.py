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
from jaxtyping import Float, Float32, Int, Shaped

from oodinv.faces.loops import draw

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


def is_coarser(matrix: Float[np.ndarray, "2 3"]) -> bool:
    """Whether an output pixel takes in so much of the source that one bilinear sample does not do for it."""
    return scale_of(matrix) > _ONE_POINT_DOES


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

    Raises:
        ValueError: The source has no pixels.
    """
    if not source.size:
        raise ValueError(f"expected a picture with pixels, got one of shape {source.shape}")
    scale = scale_of(matrix)
    reduction = max(1, math.floor(scale))
    if reduction > 1:
        source, origin = _window(source, matrix, height, width, reduction)
        source = _box_reduce(source, reduction)
        matrix = (matrix - np.array([[0, 0, origin[0]], [0, 0, origin[1]]])) / reduction
    # Bytes and floats are compiled; all else becomes floats.
    pixels = np.ascontiguousarray(source, dtype=None if source.dtype == np.uint8 else np.float32)
    out = np.empty((height, width, pixels.shape[2]), np.float32)
    points = 2 if scale / reduction > _ONE_POINT_DOES else 1
    draw(pixels, tuple(range(pixels.shape[2])), np.ascontiguousarray(matrix, dtype=np.float64), points, out)
    return out


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
    inner = source[first:last] if axis == 0 else source[:, first:last]
    beyond = np.arange(start, min(stop, first)), np.arange(max(start, last), stop)
    before, after = (source.take(_mirrored_index(index, size), axis=axis) for index in beyond)
    return np.concatenate((before, inner, after), axis=axis)


def _mirrored_index(index: Int[np.ndarray, " pixels"], size: int) -> Int[np.ndarray, " pixels"]:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _box_reduce(
    picture: Shaped[np.ndarray, "rows columns channels"], factor: int
) -> Float32[np.ndarray, "reduced_rows reduced_columns channels"]:
    """Mean of whole boxes of factor x factor pixels."""
    # Row by row and then column by column of the boxes: several times as fast as sums along short axes.
    bands = picture[::factor].astype(np.float32)
    for row in range(1, factor):
        bands += picture[row::factor]
    boxes = bands[:, ::factor].copy()
    for column in range(1, factor):
        boxes += bands[:, column::factor]
    boxes /= np.float32(factor * factor)
    return boxes
