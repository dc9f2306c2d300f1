"""Seconds per stage, summed over a shard. Stages do not nest, so that their shares add up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timers:
    """`with timers("decode"): …` adds to the stage's total."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block, whether it ends well or not."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    def rounded(self) -> dict[str, float]:
        """Milliseconds' precision, for a commit."""
        return {stage: round(value, 3) for stage, value in sorted(self.seconds.items())}
