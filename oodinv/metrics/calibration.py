"""Calibration of a mask: does a value of 0.7 mean that 70 of 100 such pixels are out of domain?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A reliability curve; all arrays share the axis of bins, empty ones left out."""

    predicted: Float[np.ndarray, " bins"]
    """Mean value of the mask."""
    observed: Float[np.ndarray, " bins"]
    """Share of pixels that are positive."""
    share: Float[np.ndarray, " bins"]
    """Of all pixels."""

    @property
    def ece(self) -> float:
        """Expected calibration error (Guo et al. 2017, arXiv 1706.04599): mean |observed - predicted| over pixels."""
        if not len(self.share):
            return float("nan")
        return float(self.share @ np.abs(self.observed - self.predicted))


class Calibration:
    """Gathers pixels in 15 even bins of [0, 1], in constant memory."""

    def __init__(self) -> None:
        self.counts = np.zeros(_BINS)
        self.predicted = np.zeros(_BINS)
        self.positive = np.zeros(_BINS)

    def add(self, score: Float[np.ndarray, " count"], positive: Bool[np.ndarray, " count"]) -> None:
        """Count more pixels; scores outside [0, 1] are clipped."""
        score = score.clip(0, 1).astype(np.float64)
        bins = (score * _BINS).astype(np.int64).clip(0, _BINS - 1)
        self.counts += np.bincount(bins, minlength=_BINS)
        self.predicted += np.bincount(bins, weights=score, minlength=_BINS)
        self.positive += np.bincount(bins, weights=positive, minlength=_BINS)

    def reliability(self) -> Reliability:
        """The curve so far."""
        seen = self.counts > 0
        counts = self.counts[seen]
        return Reliability(
            predicted=self.predicted[seen] / counts,
            observed=self.positive[seen] / counts,
            share=counts / max(counts.sum(), 1),
        )
