"""Area under the receiver operating characteristic."""

import numpy as np
from jaxtyping import Bool, Float


def auroc(score: Float[np.ndarray, " count"], positive: Bool[np.ndarray, " count"]) -> float:
    """Probability that a random positive scores above a random negative; ties count half.

    Returns:
        0.5 is chance, 1 perfect; NaN when one of the classes is empty.
    """
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        return float("nan")
    values, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    # Mean rank of each distinct value (Mann-Whitney).
    last = np.cumsum(counts)
    rank = last - (counts - 1) / 2
    total = float(np.bincount(inverse, weights=positive, minlength=len(values)) @ rank)
    return (total - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative)
