"""Intersection over union of masks."""

import numpy as np
from jaxtyping import Bool, Float


def iou(
    mask: Bool[np.ndarray, "batch height width"],
    truth: Bool[np.ndarray, "batch height width"],
    counted: Bool[np.ndarray, "batch height width"],
) -> Float[np.ndarray, " batch"]:
    """IoU of each image over the pixels that count; NaN where there is nothing to find, 0 where nothing was found."""
    ours, true = mask & counted, truth & counted
    both, either = (ours & true).sum(axis=(1, 2)), (ours | true).sum(axis=(1, 2))
    return np.where(true.any(axis=(1, 2)), both / np.maximum(either, 1), np.nan)
