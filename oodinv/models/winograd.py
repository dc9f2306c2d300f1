"""3x3 convolution by Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2016, arXiv 1509.09308), for processors.

A tile of 4x4 outputs takes 36 products for each pair of channels instead of 144: the tile's 6x6 inputs and the kernel
are transformed, multiplied point by point (36 matrix products over the channels), and transformed back. In float32 the
result differs from the direct sum in the sixth digit. It pays where matrix products dominate: wide layers on a
processor.
"""

import threading
from itertools import product
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

TILE, TAPS = 4, 6
"""Outputs and inputs of a tile along an axis."""

# Interpolation at 0, 1, -1, 2, -2 and infinity (arXiv 1509.09308, section 4.1).
_INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_KERNEL = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)
BLOCK_BYTES = 32 * 2**20
"""Transformed tiles that are held at once: enough rows for the matrix products to be efficient, few enough for the
last cache."""


class _Workspace(threading.local):
    """Buffers that live on between calls, one set for each thread: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self.buffers: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        size = prod(shape)
        buffer = self.buffers.get(name)
        if buffer is None or buffer.numel() < size:
            # A tensor made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                buffer = self.buffers[name] = torch.empty(size)
        return buffer[:size].view(shape)


_WORKSPACE = _Workspace()


def transform_kernel(weight: Float[Tensor, "out channel 3 3"]) -> Float[Tensor, "36 out channel"]:
    """A kernel as `conv3x3` takes it: computed once (in float64), four times the kernel's size."""
    g = torch.tensor(_KERNEL, dtype=torch.float64)
    points = torch.einsum("ai,bj,ocij->baoc", g, g, weight.detach().double())
    return points.reshape(TAPS * TAPS, *weight.shape[:2]).float().contiguous()


def conv3x3(
    x: Float[Tensor, "batch channel height width"], kernel: Float[Tensor, "36 out channel"]
) -> Float[Tensor, "batch out height width"]:
    """Convolve with stride 1 and a border of one zero, on the processor, in float32, without gradient.

    Args:
        x: Feature map, any memory layout.
        kernel: From `transform_kernel`.

    Returns:
        The same as `F.conv2d(x, weight, padding=1)` up to rounding, contiguous.
    """
    batch, channels, height, width = x.shape
    num_out = kernel.shape[1]
    down, across = -(-height // TILE), -(-width // TILE)  # tiles
    out = x.new_empty(batch, num_out, height, width)
    rows_at_once = BLOCK_BYTES // (4 * TAPS * TAPS * across * max(channels, num_out))
    rows_at_once = min(max(rows_at_once, 1), down)
    for image, row in product(range(batch), range(0, down, rows_at_once)):
        rows = min(rows_at_once, down - row)
        if row == 0:
            padded = _columns_by_phase(x[image], down, across)
        points = _transform_tiles(padded[:, row * TILE :], rows, across)
        take = _WORKSPACE.take
        products = torch.bmm(kernel, points, out=take("products", TAPS * TAPS, num_out, rows * across))
        first = row * TILE
        last = min(height, first + rows * TILE)
        _transform_back(products, rows, across, out[image, :, first:last])
    return out


def _columns_by_phase(x: Tensor, down: int, across: int) -> Tensor:
    """[channel, row, phase, tile]: column 4 · tile + phase of the padded map, so that a tile's columns are slices."""
    channels, height, width = x.shape
    take = _WORKSPACE.take
    tall, wide = down * TILE + 2, (across + 1) * TILE
    padded = take("padded", channels, tall, wide)
    padded[:, 0] = padded[:, height + 1 :] = 0
    padded[:, :, 0] = padded[:, :, width + 1 :] = 0
    padded[:, 1 : height + 1, 1 : width + 1] = x
    phases = take("phases", channels, tall, TILE, across + 1)
    return phases.copy_(padded.view(channels, tall, across + 1, TILE).transpose(2, 3))


def _transform_tiles(phases: Tensor, rows: int, across: int) -> Tensor:
    """[36, channel, tile]: Bᵀ d B of rows of tiles, the column's point first."""
    channels, _, _, columns = phases.shape
    take, b = _WORKSPACE.take, phases.new_tensor(_INPUT)
    length = TILE * columns
    lines = take("lines", TAPS, channels, rows, length)
    strides = (length, phases.stride(0), TILE * length, 1)
    lines.copy_(phases.as_strided(lines.shape, strides, phases.storage_offset()))
    by_row = torch.mm(b, lines.view(TAPS, -1), out=take("by_row", TAPS, lines[0].numel()))
    by_row = by_row.view(TAPS, channels, rows, TILE, columns).permute(3, 0, 1, 2, 4)
    taps = take("taps", TAPS, TAPS, channels, rows, across)
    taps[:TILE] = by_row[..., :across]
    taps[TILE:] = by_row[: TAPS - TILE, ..., 1:]
    points = torch.mm(b, taps.view(TAPS, -1), out=take("points", TAPS, taps[0].numel()))
    return points.view(TAPS * TAPS, channels, rows * across)


def _transform_back(products: Tensor, rows: int, across: int, out: Tensor) -> None:
    """Aᵀ m A of rows of tiles into their rows of the result."""
    take, a = _WORKSPACE.take, products.new_tensor(_OUTPUT)
    num_out = products.shape[1]
    size = num_out * rows * across
    by_column = torch.mm(a, products.view(TAPS, -1), out=take("by_column", TILE, TAPS * size))
    turned = take("turned", TAPS, TILE, size).copy_(by_column.view(TILE, TAPS, size).transpose(0, 1))
    tiles = torch.mm(a, turned.view(TAPS, -1), out=take("tiles", TILE, TILE * size))
    tiles = tiles.view(TILE, TILE, num_out, rows, across).permute(2, 3, 0, 4, 1)  # [out, row, y, tile, x]
    if out.shape[1:] == (rows * TILE, across * TILE):
        out.unflatten(1, (rows, TILE)).unflatten(3, (across, TILE)).copy_(tiles)
    else:
        whole = tiles.reshape(num_out, rows * TILE, across * TILE)
        out.copy_(whole[:, : out.shape[1], : out.shape[2]])
