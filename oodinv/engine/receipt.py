"""What a worker tells about a shard; small, no pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from oodinv.report.spans import Spans, merge

N = TypeVar("N", int, float)

MAX_EXAMPLES = 20
"""A receipt stays small however bad a shard is."""


@dataclass(frozen=True, kw_only=True)
class RowError:
    """A row that is not ok, for people to read."""

    src_key: str
    status: str
    error_class: str
    error_message: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Of a job, or of several that followed each other."""

    shard_id: str
    outcomes: Mapping[str, str]
    """Per product: `done`, `already-mine`, or `lost` to another attempt."""
    samples: Mapping[str, Mapping[str, int]]
    """Per product: samples by status."""
    timers: Mapping[str, float]
    """Seconds by stage."""
    spans: Mapping[str, Spans]
    """How long the steps of each stage took."""
    busy_s: float
    """Seconds from the job's begin to its end."""
    objects: int
    """Objects published, commits included."""
    bytes: int
    """Their size."""
    requests: Mapping[str, int]
    """Requests a provider bills, by kind."""
    errors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Per product: rows by error class."""
    examples: tuple[RowError, ...] = ()
    """Some of them, at most `MAX_EXAMPLES`, each photo and class once."""


def join_receipts(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt of jobs that followed each other, each with products of its own.

    Args:
        receipts: Of one shard, at least one.
    """
    stages = [stage for receipt in receipts for stage in receipt.spans]
    examples = {(each.src_key, each.error_class): each for receipt in receipts for each in receipt.examples}
    return Receipt(
        shard_id=receipts[0].shard_id,
        outcomes={name: outcome for receipt in receipts for name, outcome in receipt.outcomes.items()},
        samples={name: counts for receipt in receipts for name, counts in receipt.samples.items()},
        timers=_sum([receipt.timers for receipt in receipts]),
        spans={stage: dict(merge(receipt.spans.get(stage, {}) for receipt in receipts)) for stage in stages},
        busy_s=sum(receipt.busy_s for receipt in receipts),
        objects=sum(receipt.objects for receipt in receipts),
        bytes=sum(receipt.bytes for receipt in receipts),
        requests=_sum([receipt.requests for receipt in receipts]),
        errors={name: counts for receipt in receipts for name, counts in receipt.errors.items()},
        examples=tuple(examples.values())[:MAX_EXAMPLES],
    )


def _sum(parts: Sequence[Mapping[str, N]]) -> dict[str, N]:
    names = {name for part in parts for name in part}
    return {name: sum(part[name] for part in parts if name in part) for name in sorted(names)}
