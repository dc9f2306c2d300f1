"""Loops over pixels, compiled: one pass over a picture where arrays would take twenty, and none of it under the lock.

What a thread does with arrays is many short steps, and each gives the interpreter's lock away and waits for it again.
Threads that compose beside a model wait for one another most of their time then, and so does the model.

Numbers are those that the text of each loop says: coordinates in float64, pixels in float32, nothing reordered or
contracted, the same on every processor. Arguments are not checked here.
"""

import hashlib
from collections.abc import Callable
from math import floor
from types import FunctionType
from typing import Any, no_type_check

import numba
import numpy as np

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


class _Loop:
    """A loop that is compiled for each kind of arguments when they first come."""

    def __init__(self, loop: Callable[..., Any]):
        assert isinstance(loop, FunctionType)
        self._loop, self._versions = loop, dict[tuple[Any, ...], Callable[..., Any]]()

    def __call__(self, *arguments: Any) -> None:
        kinds = tuple(map(numba.typeof, arguments))
        version = self._versions.get(kinds)
        if version is None:  # two threads may both compile it: to the same
            version = self._versions[kinds] = self._compiled(kinds)
        version(*arguments)

    def _compiled(self, kinds: tuple[Any, ...]) -> Callable[..., Any]:
        """Kept for the next process, beside this file or in the user's cache, where that works."""
        # Each version under its own name: of several under one, two processes that begin with different ones can write
        # each other's code, and nobody would notice.
        name = f"{self._loop.__name__}_{hashlib.sha256(str(kinds).encode()).hexdigest()[:16]}"
        version = FunctionType(self._loop.__code__, self._loop.__globals__, name)
        version.__qualname__ = name
        try:
            return numba.njit([kinds], cache=True, **OPTIONS)(version)
        except Exception:  # no folder can be written, the disk is full, a file is damaged: none of it matters
            return numba.njit([kinds], **OPTIONS)(version)


# Plain numbers and arrays are all they know: what checks the types of arguments in tests cannot be compiled. Those that
# others call are compiled, and kept, within them.

_part = numba.njit(**OPTIONS)


@_part
@no_type_check
def _mirrored(index, size):
    """A pixel's index, mirrored about the picture's outer edges where it lies beyond them."""
    if 0 <= index < size:
        return np.uint64(index)
    index %= 2 * size
    return np.uint64(min(index, 2 * size - 1 - index))


@_part
@no_type_check
def _around(at, size):
    """The two pixels whose centres a coordinate lies between, and how far it is on the way to the second."""
    first = floor(at - 0.5)
    return _mirrored(first, size), _mirrored(first + 1, size), np.float32(at - 0.5 - first)


@_part
@no_type_check
def _between(top_left, top_right, bottom_left, bottom_right, across, down):
    """Bilinear. With shares of 0 it is exactly the first; among equal values it is exactly that value."""
    top = np.float32(top_left) + across * (np.float32(top_right) - np.float32(top_left))
    bottom = np.float32(bottom_left) + across * (np.float32(bottom_right) - np.float32(bottom_left))
    return top + down * (bottom - top)


@_Loop
@no_type_check
def draw(picture, channels, matrix, points, out):
    """Sample a picture bilinearly at `points` x `points` places in each output pixel, and average them.

    Args:
        picture: (height, width, channels), mirrored beyond its border.
        channels: A tuple of all of them. Its length is known when this is compiled, which makes it twice as fast.
        matrix: Output pixel to picture pixel, 2 x 3; centres at + 0.5.
        points: 1 or more.
        out: (rows, columns, channels) float32, written.
    """
    height, width, _ = picture.shape
    rows, columns, _ = out.shape
    step, share = 1 / points, np.float32(1 / (points * points))
    for row in range(rows):
        for column in range(columns):
            for channel in range(len(channels)):
                out[row, column, channel] = 0
            for down_step in range(points):
                v = row + (down_step + 0.5) * step
                for across_step in range(points):
                    u = column + (across_step + 0.5) * step
                    left, right, across = _around(matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2], width)
                    above, below, down = _around(matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2], height)
                    for channel in range(len(channels)):
                        out[row, column, channel] += share * _between(
                            picture[above, left, channel],
                            picture[above, right, channel],
                            picture[below, left, channel],
                            picture[below, right, channel],
                            across,
                            down,
                        )


@_Loop
@no_type_check
def move(picture, displacement, left, top, out):
    """Fetch every pixel of a part of a picture from a place aside, see `oodinv.faces.move.moved`.

    Args:
        picture: (height, width, channels), mirrored beyond its border.
        displacement: (rows, columns, 2), x and y in pixels.
        left: Column of the part's first pixel.
        top: Its row.
        out: (rows, columns, channels) float32, written.
    """
    height, width, channels = picture.shape
    rows, columns, _ = out.shape
    for row in range(rows):
        for column in range(columns):
            x, y = displacement[row, column, 0], displacement[row, column, 1]
            first, second, across = _around(column + left + 0.5 + x, width)
            above, below, down = _around(row + top + 0.5 + y, height)
            for channel in range(channels):
                out[row, column, channel] = _between(
                    picture[above, first, channel],
                    picture[above, second, channel],
                    picture[below, first, channel],
                    picture[below, second, channel],
                    across,
                    down,
                )


@_Loop
@no_type_check
def blend(base, layers, replace, to_layers, to_crop, crop_size, feather, left, top, out):
    """Compose a part of a photo, see `oodinv.faces.compose`; pixels that have no weight are left as they are in `out`.

    Args:
        base: (rows, columns, 3), the photo or what has moved into its place; uint8 or float32.
        layers: (4, height, width) float32: the picture's colours in [-1, 1], or what they change by; and 1 - M of the
            mask: where that is 0 all around, what is interpolated is exactly 0.
        replace: Whether these are the colours, or what they change by.
        to_layers: Photo pixel to pixel of the layers, 2 x 3.
        to_crop: Photo pixel to crop pixel, 2 x 3.
        crop_size: Its side.
        feather: Width of the ramp as a share of that.
        left: Column in `out` of the part's first pixel.
        top: Its row.
        out: (height, width, 3) uint8, written in the part.
    """
    rows, columns, _ = base.shape
    _, height, width = layers.shape
    half, ramp_pixels = crop_size / 2, feather * crop_size
    zero, byte = np.float32(0), np.float32(255)
    for row in range(rows):
        y = top + row + 0.5
        for column in range(columns):
            x = left + column + 0.5
            u = abs(to_crop[0, 0] * x + to_crop[0, 1] * y + to_crop[0, 2] - half)
            v = abs(to_crop[1, 0] * x + to_crop[1, 1] * y + to_crop[1, 2] - half)
            inside = half - max(u, v)
            if not inside > 0:
                continue
            x0, x1, across = _around(to_layers[0, 0] * x + to_layers[0, 1] * y + to_layers[0, 2], width)
            y0, y1, down = _around(to_layers[1, 0] * x + to_layers[1, 1] * y + to_layers[1, 2], height)
            layer = layers[3]
            weight = _between(layer[y0, x0], layer[y0, x1], layer[y1, x0], layer[y1, x1], across, down)
            if inside < ramp_pixels:
                ramp = np.float32(inside / ramp_pixels)
                weight *= ramp * ramp * (np.float32(3) - np.float32(2) * ramp)
            if weight == 0:
                continue
            for colour in range(3):
                layer = layers[colour]
                change = _between(layer[y0, x0], layer[y0, x1], layer[y1, x0], layer[y1, x1], across, down)
                change *= np.float32(127.5)
                before = np.float32(base[row, column, colour])
                if replace:
                    change += np.float32(127.5) - before
                value = np.rint(before + weight * change)
                out[top + row, left + column, colour] = np.uint8(min(max(value, zero), byte))
