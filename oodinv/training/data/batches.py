"""Which samples a training step sees."""

import numpy as np
from jaxtyping import Int


def pick(step: int, batch: int, count: int, *, seed: int) -> Int[np.ndarray, " {batch}"]:
    """Indices of a step's batch; a function of the step alone, so that a resumed run draws the same."""
    return np.random.default_rng([seed, step]).integers(count, size=batch)
