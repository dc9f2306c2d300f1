"""Seconds per stage, summed over a shard, and how long its single steps took.

Stages do not nest. Those of threads beside the model overlap it: sums of all may be longer than the shard took.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from oodinv.report.spans import bucket


class Timers:
    """`with timers("decode"): …` adds one step to a stage; from any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = {}
        self.spans: dict[str, Counter[int]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block, whether it ends well or not."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - begin
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + took
                self.spans.setdefault(stage, Counter())[bucket(took)] += 1

    def rounded(self) -> dict[str, float]:
        """Seconds by stage with milliseconds' precision, for a commit."""
        return {stage: round(value, 3) for stage, value in sorted(self.seconds.items())}
