"""Losses on a mask whose truth is known."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_LEAST = 1e-6


def balanced_cross_entropy(
    mask: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    regions: Sequence[Float[Tensor, "batch 1 height width"]],
    *,
    balance: float,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of regions of very different size.

    Σ a_r^(1-balance) · mean over r / Σ a_r^(1-balance), where a_r is the region's area in the batch: with a balance of
    0 all pixels count alike, with 1 all regions do. Half way, an accessory of a tenth of the face counts a third: the
    mask still crosses 0.5 near the true border, which full balance would push outwards.

    Args:
        mask: Probability of being out of domain.
        truth: In [0, 1]; half-covered pixels are half true.
        regions: Weights in [0, 1]; what no region holds is not looked at.
        balance: In [0, 1].
    """
    # Clamped, since a mask of exactly 0 or 1 would give terms without bound; but the gradient goes past the clamp,
    # which would take it just where the mask is most certain of what is wrong.
    mask = mask.float()
    bounded = mask + (mask.clamp(_LEAST, 1 - _LEAST) - mask).detach()
    entropy = F.binary_cross_entropy(bounded, truth.clamp(0, 1), reduction="none")
    total = weights = entropy.new_zeros(())
    for region in regions:
        area = region.mean()
        weight = torch.where(area > 0, area.clamp_min(1e-12) ** (1 - balance), 0.0)
        total = total + weight * (entropy * region).sum() / region.sum().clamp_min(1e-6)
        weights = weights + weight
    return total / weights.clamp_min(1e-6)


def overlap_loss(
    mask: Float[Tensor, "batch 1 height width"],
    cover: Float[Tensor, "batch 1 height width"],
    inside: Float[Tensor, "batch 1 height width"],
    *,
    least_area: float = 0.002,
) -> Float[Tensor, ""]:
    """Mean over images of 1 - intersection / union of mask and cover, soft, inside a region.

    Union = Σ (m + c - m·c). It counts a small accessory as much as a large one, and what is wrongly masked beside it.

    Args:
        mask: In [0, 1].
        cover: The true coverage, in [0, 1].
        inside: Weight of each pixel: the silhouette.
        least_area: Images in which the cover takes a smaller share of the picture are left out: there is nothing to
            overlap with.
    """
    mask, cover = mask.float() * inside, cover * inside
    product = mask * cover
    intersection = product.sum(dim=(1, 2, 3))
    union = (mask + cover - product).sum(dim=(1, 2, 3))
    counted = (cover.mean(dim=(1, 2, 3)) > least_area).float()
    loss = 1 - intersection / union.clamp_min(1e-6)
    return (loss * counted).sum() / counted.sum().clamp_min(1)
