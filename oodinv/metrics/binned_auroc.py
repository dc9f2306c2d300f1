"""AUROC over any number of pixels in constant memory."""

import numpy as np
from jaxtyping import Bool, Float

from oodinv.metrics.auroc import auroc

_BINS = 4096


class BinnedAuroc:
    """Counts of positives and negatives by score, for scores in [0, 1].

    Scores are binned evenly in arcsin(√score), which resolves what is close to 0 and 1, where masks gather; the order
    stays, so that the area differs from the exact one only by pairs that share one of 4,096 bins (they count half).
    """

    def __init__(self) -> None:
        self.positives = np.zeros(_BINS, dtype=np.int64)
        self.negatives = np.zeros(_BINS, dtype=np.int64)

    def add(self, score: Float[np.ndarray, " count"], positive: Bool[np.ndarray, " count"]) -> None:
        """Count more pixels; scores outside [0, 1] are clipped."""
        angle = np.arcsin(np.sqrt(score.clip(0, 1).astype(np.float64))) / (np.pi / 2)
        bins = (angle * _BINS).astype(np.int64).clip(0, _BINS - 1)
        self.positives += np.bincount(bins[positive], minlength=_BINS)
        self.negatives += np.bincount(bins[~positive], minlength=_BINS)

    def value(self) -> float:
        """See `auroc`; NaN when one of the classes is empty."""
        num_positive, num_negative = int(self.positives.sum()), int(self.negatives.sum())
        if not num_positive or not num_negative:
            return float("nan")
        below = np.cumsum(self.negatives) - self.negatives
        ordered = float(self.positives @ (below + self.negatives / 2))
        return ordered / (num_positive * num_negative)


def auroc_per_image(
    score: Float[np.ndarray, "batch height width"],
    positive: Bool[np.ndarray, "batch height width"],
    counted: Bool[np.ndarray, "batch height width"],
) -> Float[np.ndarray, " batch"]:
    """AUROC of each image over the pixels that count; NaN where one of the classes is empty."""
    return np.array([auroc(s[c], p[c]) for s, p, c in zip(score, positive, counted, strict=True)])
