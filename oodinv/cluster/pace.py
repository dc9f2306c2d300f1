"""How long jobs take, and so how long one may take before it is believed to hang."""

import math
from collections import deque

_REMEMBERED = 200
_LEAST_KNOWN = 20
"""Jobs that must have ended before anything is concluded of them."""


class Pace:
    """Seconds for each sample of the jobs that ended lately."""

    def __init__(self, patience: float):
        """Nothing is known.

        Args:
            patience: How many times as long as the slowest twentieth of the others a job may take.
        """
        self._patience = patience
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def ended(self, num_samples: int, seconds: float) -> None:
        """A job has ended well."""
        self._seconds.append(seconds / max(num_samples, 1))

    def longest(self, num_samples: int) -> float:
        """Seconds that a job of so many samples may take: patience times the 95th percentile of the others.

        Infinite until twenty jobs have ended: where there are fewer, the deadline of each sample has to do.
        """
        if len(self._seconds) < _LEAST_KNOWN:
            return math.inf
        ordered = sorted(self._seconds)
        percentile = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
        return self._patience * percentile * max(num_samples, 1)
