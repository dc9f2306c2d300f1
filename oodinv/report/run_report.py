"""The run report: Markdown that people read in the UI and beside the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_SHOWN_FAILURES = 50
_STATUSES = ("ok", "skipped", "failed", "quarantined")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A photo without result."""

    key: str
    status: str
    error_class: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run did."""

    source: str
    target: str
    bundle: str
    num_inputs: int
    samples: Mapping[str, Mapping[str, int]]
    """Product → status → samples, over the whole dataset."""
    shards_done: int
    shards_before: int
    """Already committed when the run began."""
    photos_done: int
    seconds: float
    stages: Mapping[str, float]
    """Seconds of the workers by stage."""
    failures: Sequence[Failure] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    """Shards that failed in every attempt."""


def run_report(facts: RunFacts) -> str:
    """The report as Markdown."""
    parts = [
        "# Run report",
        f"{cell(facts.source)} → {cell(facts.target)}, bundle {cell(facts.bundle)}.",
        f"{facts.shards_done} shards done in this run, {facts.shards_before} were done before. "
        f"{facts.photos_done} photos in {facts.seconds:.1f} s"
        + (f", {facts.photos_done / facts.seconds:.2f} photos/s." if facts.photos_done and facts.seconds else "."),
        "## Samples",
        status_table(facts.samples, facts.num_inputs),
    ]
    if total := sum(facts.stages.values()):
        rows = [f"| {name} | {value:.1f} | {value / total:.0%} |" for name, value in facts.stages.items()]
        parts += ["## Seconds of the workers", "\n".join(["| stage | s | share |", "| --- | --- | --- |", *rows])]
    if facts.given_up:
        rows = [f"* shard {cell(shard)}: {cell(error)}" for shard, error in facts.given_up.items()]
        parts += ["## Shards given up", "\n".join(rows), "Run the same command again to try them anew."]
    if facts.failures:
        parts += ["## Photos without result", _failure_table(facts.failures)]
    return "\n\n".join(parts) + "\n"


def status_table(samples: Mapping[str, Mapping[str, int]], num_inputs: int) -> str:
    """Counts that add up: planned = ok + skipped + failed + quarantined + pending."""
    lines = ["| product | planned | " + " | ".join(_STATUSES) + " | pending |", "| --- |" + " --- |" * 6]
    for product, counts in samples.items():
        values = [counts.get(status, 0) for status in _STATUSES]
        numbers = [num_inputs, *values, num_inputs - sum(values)]
        lines.append(f"| {cell(product)} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def cell(text: str, limit: int = 120) -> str:
    """Foreign text as inline code that cannot leave its table cell."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    shown = printable if len(printable) <= limit else printable[: limit - 1] + "…"
    for mark, harmless in (("`", "'"), ("|", "¦"), ("<", "‹"), (">", "›")):
        shown = shown.replace(mark, harmless)
    return f"`{shown or ' '}`"


def _failure_table(failures: Sequence[Failure]) -> str:
    lines = ["| photo | status | class | reason |", "| --- | --- | --- | --- |"]
    for failure in failures[:_SHOWN_FAILURES]:
        fields = (failure.key, failure.status, failure.error_class, failure.message)
        lines.append("| " + " | ".join(cell(value) for value in fields) + " |")
    if len(failures) > _SHOWN_FAILURES:
        lines.append(f"| … and {len(failures) - _SHOWN_FAILURES} more | | | |")
    return "\n".join(lines)
