"""How long single steps took, as counts that add up: a wave's p50 and p95 come from the counts of its shards."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

_PER_OCTAVE = 4
Spans = Mapping[int, int]
"""Bucket → how many. Bucket b holds what took from 2^(b/4) to 2^((b+1)/4) milliseconds: right to 9 %."""


def bucket(seconds: float) -> int:
    """The bucket of a duration; everything below a microsecond is one."""
    return math.floor(math.log2(max(seconds * 1000, 1e-3)) * _PER_OCTAVE)


def merge(parts: Iterable[Spans]) -> Counter[int]:
    """Add up."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total


def quantile(spans: Spans, share: float) -> float:
    """Seconds that `share` of the steps did not exceed (nearest rank, middle of its bucket); 0 without any."""
    rank = math.ceil(share * sum(spans.values()))
    for index in sorted(spans):
        rank -= spans[index]
        if rank <= 0:
            return 2 ** ((index + 0.5) / _PER_OCTAVE) / 1000
    return 0.0
