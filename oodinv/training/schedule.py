"""The released training's schedule (arXiv 2212.09262): levels join coarse to fine, the learning rate falls in steps.

A level's mask is gated by the coarser ones, so a fine level has something to refine only once those have settled.
Iterations count from 1 and were of two images each.
"""

from collections.abc import Sequence

LEVELS_JOIN_AFTER = (2_000, 6_000, 10_000)
"""Iterations after which the second, the third and the fourth level join."""

RATE, RATE_FACTOR, RATE_EVERY = 2e-5, 0.75, 15_000


def released_levels(iteration: int, levels: Sequence[int] = (32, 64, 128, 256)) -> tuple[int, ...]:
    """Levels that are trained in an iteration; at the others the generator is left as it is.

    Args:
        iteration: From 1.
        levels: All of the decomposition's, coarse to fine; those beyond the fourth join with it.

    Returns:
        The coarsest one up to iteration 2,000, two up to 6,000, three up to 10,000, then all.
    """
    count = 1 + sum(iteration > last for last in LEVELS_JOIN_AFTER)
    return tuple(levels if count > len(LEVELS_JOIN_AFTER) else levels[:count])


def released_rate(iteration: int) -> float:
    """Learning rate of an iteration: 2e-5, times 0.75 at every 15,000th, without end."""
    return RATE * RATE_FACTOR ** (iteration // RATE_EVERY)
