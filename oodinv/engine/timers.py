"""Seconds per stage, summed over a shard, and how long its single steps took.

Stages do not nest. Those of threads beside the model overlap it: sums of all may be longer than the shard took.
"""

import threading
import time
from collections import Counter, defaultdict

from oodinv.report.spans import bucket


class Timers:
    """`with timers("decode"): …` adds one step to a stage, whether it ends well or not; from any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.spans: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def __call__(self, stage: str) -> "_Step":
        """Time a block."""
        return _Step(self, stage)

    def add(self, stage: str, seconds: float) -> None:
        """One step that is over."""
        with self._lock:
            self.seconds[stage] += seconds
            self.spans[stage][bucket(seconds)] += 1

    def rounded(self) -> dict[str, float]:
        """Seconds by stage with milliseconds' precision, for a commit."""
        with self._lock:
            return {stage: round(value, 3) for stage, value in sorted(self.seconds.items())}


class _Step:
    # A dozen of them for each photo: a generator's context manager takes several times as long as a class.
    __slots__ = ("_begin", "_stage", "_timers")

    def __init__(self, timers: Timers, stage: str):
        self._timers, self._stage = timers, stage

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._timers.add(self._stage, time.perf_counter() - self._begin)
