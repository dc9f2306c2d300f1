"""Losses, one function each."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.training.errors import TrainingError


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


RELEASED_AREA_LIMITS = {32: 0.3, 64: 0.3, 128: 0.2, 256: 0.2}
"""Mean mask above which the released training charges a level, by resolution; for the final mask it is 0.2."""


def released_mask_loss(
    level_masks: Mapping[int, Float[Tensor, "batch 1 _ _"]],
    ood_mask: Float[Tensor, "batch 1 size size"],
    *,
    area_limits: Mapping[int, float] = RELEASED_AREA_LIMITS,
    final_limit: float = 0.2,
    binary_weight: float = 0.04,
    weight: float = 5.0,
) -> Float[Tensor, ""]:
    """`mask_area_and_binary` of every active level and of the final mask, summed, as the released training does.

    The limits are all that keeps a mask from hiding any error of the picture.

    Args:
        level_masks: Masks of the active levels by resolution, gated by the coarser ones.
        ood_mask: The final mask.
        area_limits: Limit of each level's mean over batch and pixels; only what lies above it is charged.
        final_limit: The same for the final mask.
        binary_weight: Weight of min(mask, 1 - mask) beside the area.
        weight: Of the whole.

    Raises:
        TrainingError: A level has no limit.
    """
    missing = sorted(level_masks.keys() - area_limits.keys())
    if missing:
        raise TrainingError(f"every level needs an area limit: expected one for {missing}, got {dict(area_limits)}")
    limited = [(mask, area_limits[level]) for level, mask in level_masks.items()] + [(ood_mask, final_limit)]
    terms = [mask_area_and_binary(mask, area_limit=limit, binary_weight=binary_weight) for mask, limit in limited]
    return weight * torch.stack(terms).sum()
