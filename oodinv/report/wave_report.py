"""One wave as tables for people: what became of its photos, and where its time went."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oodinv.report.spans import Spans, quantile

STATUSES = ("ok", "skipped", "failed", "quarantined")
_TOP = 3


@dataclass(frozen=True, kw_only=True)
class WaveFacts:
    """What a wave came to."""

    photos: int
    seconds: float
    samples: Mapping[str, Mapping[str, int]]
    """Product → status → samples."""
    stage_seconds: Mapping[str, float]
    """Seconds of the workers by stage."""
    spans: Mapping[str, Spans]
    """How long single steps of each stage took."""
    errors: Mapping[str, Mapping[str, int]]
    """Product → error class → rows."""
    given_up: int
    """Shards without result."""

    @property
    def photos_per_s(self) -> float:
        """Photos of finished shards by the wave's wall time."""
        return self.photos / self.seconds if self.seconds else 0.0


def products_table(wave: WaveFacts) -> list[dict[str, Any]]:
    """A line for each product: samples by status, speed, the most frequent error classes."""
    shared = {"photos/s": round(wave.photos_per_s, 2), "shards given up": wave.given_up}
    return [
        {"product": product}
        | {status: counts.get(status, 0) for status in STATUSES}
        | {"top errors": _top(wave.errors.get(product, {}))}
        | shared
        for product, counts in sorted(wave.samples.items())
    ]


def stages_table(wave: WaveFacts) -> list[dict[str, Any]]:
    """A line for each stage, the longest first: p50 and p95 of a step, and its share of the workers' time."""
    total = sum(wave.stage_seconds.values())
    by_time = sorted(wave.stage_seconds.items(), key=lambda item: (-item[1], item[0]))
    return [
        {
            "stage": stage,
            "steps": sum(wave.spans.get(stage, {}).values()),
            "p50 ms": _milliseconds(wave.spans.get(stage, {}), 0.5),
            "p95 ms": _milliseconds(wave.spans.get(stage, {}), 0.95),
            "seconds": round(seconds, 1),
            "share": f"{seconds / total:.0%}" if total else "",
        }
        for stage, seconds in by_time
    ]


def _top(errors: Mapping[str, int]) -> str:
    most = sorted(errors.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    return ", ".join(f"{name} {count}" for name, count in most) or "none"


def _milliseconds(spans: Spans, share: float) -> float:
    value = quantile(spans, share) * 1000
    return float(f"{value:.3g}")
