"""A mask made to end where the picture does: the guided filter (He, Sun and Tang, TPAMI 2013), guided by colour.

Masks end at the finest level of the decomposition, a half or a quarter of the crop's side. Within a small window the
filter takes the mask for a linear function of the crop's colour: what has the colour of the masked side is masked, and
the border moves onto the edge that is seen. It has nothing to learn, and lets the gradient through.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.models.layers import without_autocast

RADIUS_SHARE = 1 / 16
"""Half of a window's side, as a share of the picture's."""
SMOOTHNESS = 1e-3
"""Variance of colour, of pictures in [-1, 1], below which a window is taken for plain."""
_ENOUGH = 256


def refine_mask(
    mask: Float[Tensor, "batch 1 size size"], crop: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, "batch 1 size size"]:
    """Fit a mask to the edges of the crop.

    In each window, mask ≈ a · colour + b by least squares, with `SMOOTHNESS` · |a|² added; a pixel's mask is that of
    the mean a and b of all windows that hold it. Windows end at the picture's border. Pictures of 512 pixels and more
    are averaged down to find a and b, which are then enlarged (bilinear, half-pixel centres): the colours are the full
    crop's, the cost is the small one's.

    Args:
        mask: In [0, 1].
        crop: RGB in [-1, 1].

    Returns:
        In [0, 1], float32. A constant mask stays what it is; so does every mask of less than 16 pixels a side.
    """
    size = mask.shape[-1]
    with without_autocast(mask):  # differences of squares need every digit
        mask, crop = mask.float(), crop.float()
        shrink = max(1, size // _ENOUGH)
        radius = int(size // shrink * RADIUS_SHARE)
        if radius == 0:
            return mask
        lines = _lines(F.avg_pool2d(mask, shrink), F.avg_pool2d(crop, shrink), radius)
        if shrink > 1:
            lines = F.interpolate(lines, (size, size), mode="bilinear", align_corners=False)
        return ((lines[:, :3] * crop).sum(dim=1, keepdim=True) + lines[:, 3:]).clamp(0, 1)


def _lines(
    mask: Float[Tensor, "batch 1 size size"], crop: Float[Tensor, "batch 3 size size"], radius: int
) -> Float[Tensor, "batch rgb1=4 size size"]:
    """The mean a and b of all windows around each pixel."""
    beside = crop.roll(1, dims=1)
    sums = torch.cat([mask, crop, mask * crop, crop * crop, crop * beside], dim=1)
    mean, colour, both, squares, products = _window_mean(sums, radius).split([1, 3, 3, 3, 3], dim=1)
    variance = squares - colour * colour + SMOOTHNESS
    covariance = products - colour * colour.roll(1, dims=1)
    slope = _solve(variance, covariance, both - mean * colour)
    level = mean - (slope * colour).sum(dim=1, keepdim=True)
    return _window_mean(torch.cat([slope, level], dim=1), radius)


def _window_mean(maps: Float[Tensor, "batch maps size size"], radius: int) -> Float[Tensor, "batch maps size size"]:
    side = 2 * radius + 1
    # Rows, then columns: the same mean for a fraction of the sums.
    rows = F.avg_pool2d(maps, (1, side), stride=1, padding=(0, radius), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), stride=1, padding=(radius, 0), count_include_pad=False)


def _solve(
    diagonal: Float[Tensor, "batch 3 size size"],
    beside: Float[Tensor, "batch 3 size size"],
    right: Float[Tensor, "batch 3 size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """One symmetric system of three equations per pixel, by Cramer's rule.

    Args:
        diagonal: rr, gg, bb.
        beside: rb, gr, bg.
        right: The right side.
    """
    rr, gg, bb = diagonal.unbind(dim=1)
    rb, rg, gb = beside.unbind(dim=1)
    minor_rr, minor_gg, minor_bb = gg * bb - gb * gb, rr * bb - rb * rb, rr * gg - rg * rg
    minor_rg, minor_rb, minor_gb = gb * rb - rg * bb, rg * gb - gg * rb, rg * rb - rr * gb
    determinant = rr * minor_rr + rg * minor_rg + rb * minor_rb
    r, g, b = right.unbind(dim=1)
    solved = [
        minor_rr * r + minor_rg * g + minor_rb * b,
        minor_rg * r + minor_gg * g + minor_gb * b,
        minor_rb * r + minor_gb * g + minor_bb * b,
    ]
    return torch.stack(solved, dim=1) / determinant[:, None]
