"""Intersection over union of masks."""

from jaxtyping import Float
from torch import Tensor


def iou(
    mask: Float[Tensor, "batch 1 height width"], truth: Float[Tensor, "batch 1 height width"], threshold: float = 0.5
) -> Float[Tensor, " batch"]:
    """IoU per image of both masks cut at a threshold; NaN where both are empty."""
    ours, true = mask > threshold, truth > threshold
    both = (ours & true).sum(dim=(1, 2, 3)).float()
    return both / (ours | true).sum(dim=(1, 2, 3)).float()
