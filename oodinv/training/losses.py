"""Losses, one function each."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def multiscale_l1(
    image: Float[Tensor, "batch 3 size size"],
    target: Float[Tensor, "batch 3 size size"],
    weight: Float[Tensor, "batch 1 size size"],
    scales: Sequence[int] = (1, 2, 4),
) -> Float[Tensor, ""]:
    """Sum over scales of the weighted mean absolute difference of area-averaged images."""
    difference = image.float() - target
    total = difference.new_zeros(())
    for scale in scales:
        d = difference if scale == 1 else F.avg_pool2d(difference, scale)
        w = weight if scale == 1 else F.avg_pool2d(weight, scale)
        total = total + (d.abs() * w).mean() / w.mean().clamp_min(1e-3)
    return total


def generator_adversarial(fake_logits: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Non-saturating generator loss."""
    return F.softplus(-fake_logits.float()).mean()


def discriminator_adversarial(
    real_logits: Float[Tensor, " batch"], fake_logits: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Logistic discriminator loss."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def r1_penalty(real: Float[Tensor, "batch 3 size size"], logits: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Squared gradient of the score at real images (Mescheder et al. 2018)."""
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def mask_area_and_binary(
    mask: Float[Tensor, "batch 1 height width"], *, area_limit: float, binary_weight: float = 0.04
) -> Float[Tensor, ""]:
    """The paper's terms on a mask: a hinge on its mean area, and a pull towards 0 or 1."""
    binary = torch.minimum(mask, 1 - mask).mean()
    return F.relu(mask.mean() - area_limit) + binary_weight * binary
