"""Pictures as they are measured: rounded to 8 bits, as a PNG file holds them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.metrics.psnr import psnr

CEILING_DB = 10 * math.log10(12 * 255**2)
"""58.92 dB: the noise of rounding to 8 bits. No reconstruction counts as better."""


def as_written(image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Clamped to [-1, 1] and rounded to steps of 1/127.5; NaN stays."""
    return ((image.float().cpu().clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def is_finite(image: Float[Tensor, "batch ..."]) -> Tensor:
    """Per sample: every pixel is a number."""
    return torch.isfinite(image.cpu()).flatten(1).all(dim=1)


def capped_psnr(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """`psnr`, at most `CEILING_DB`: a copied crop reaches it, so that means stay finite."""
    return psnr(image, target, weight).clamp_max(CEILING_DB)
