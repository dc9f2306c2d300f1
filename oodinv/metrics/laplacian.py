"""Laplacian pyramid (Burt and Adelson 1983), as progressive growing measures with it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def laplacian_pyramid(
    images: Float[Tensor, "batch channel size size"], *, coarsest: int = 16
) -> list[Float[Tensor, "batch channel level_size level_size"]]:
    """Band-pass pictures, finest first; the last is the low-pass rest.

    Convention: the filter is [1, 4, 6, 4, 1] / 16 in both directions, mirrored at the border without repeating it;
    halving keeps every second pixel from the first on, doubling sets zeros between and filters at four times the gain.

    Args:
        images: Sides a power of two times `coarsest`, or smaller than `coarsest` (then there is one level).
        coarsest: Side of the last level.
    """
    levels = []
    while images.shape[-1] // 2 >= coarsest:
        smaller = _blur(images)[..., ::2, ::2]
        levels.append(images - _double(smaller))
        images = smaller
    return [*levels, images]


def _blur(x: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    kernel = kernel.expand(x.shape[1], 1, 1, -1)
    padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel, groups=x.shape[1]), kernel.transpose(2, 3), groups=x.shape[1])


def _double(x: Tensor) -> Tensor:
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[..., ::2, ::2] = x
    return 4 * _blur(spread)
