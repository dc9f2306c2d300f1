"""The run report: Markdown that people read in the UI and beside the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oodinv.report.cost import Prices, Usage, cost
from oodinv.report.spans import Spans, quantile
from oodinv.report.wave_report import STATUSES
from oodinv.text import one_line

_SHOWN_FAILURES = 50


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
    photos_before: int = 0
    """In shards that were already committed: not touched by this run."""
    seconds: float
    stages: Mapping[str, float]
    """Seconds of the workers by stage."""
    spans: Mapping[str, Spans] = field(default_factory=dict)
    """How long single steps of each stage took."""
    actors: int = 0
    nodes: int = 1
    """That they ran on."""
    usage: Usage | None = None
    """What this run used; None when it had nothing to do."""
    prices: Prices = Prices()  # noqa: RUF009 (frozen)
    objects: int = 0
    """Written by this run."""
    failures: Sequence[Failure] = ()
    """Of the whole dataset, each photo once; the first ones by key."""
    failure_classes: Mapping[str, int] = field(default_factory=dict)
    """Error class → photos, over the whole dataset."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """Shards that failed in every attempt."""


def run_report(facts: RunFacts, links: Mapping[str, str] | None = None) -> str:
    """The report as Markdown.

    Args:
        facts: What the run did.
        links: What else there is to look at: name → address (made a link if it is http or https) or place.
    """
    parts = [
        "# Run report",
        f"{cell(facts.source)} → {cell(facts.target)}, bundle {cell(facts.bundle)}.",
        _what_was_done(facts),
        "## Samples",
        status_table(facts.samples, facts.num_inputs),
    ]
    if links:
        parts += ["## To look at", "\n".join(f"* {name}: {_link(place)}" for name, place in links.items())]
    if total := sum(facts.stages.values()):
        parts += ["## Time of the workers", _stage_table(facts, total)]
    if facts.usage is not None:
        parts += ["## Cost", _cost(facts, facts.usage)]
    if facts.given_up:
        rows = [f"* shard {cell(shard)}: {cell(error)}" for shard, error in facts.given_up.items()]
        parts += ["## Shards given up", "\n".join(rows), "Run the same command again to try them anew."]
    if facts.failures:
        parts.append("## Photos without result")
        if facts.failure_classes:
            parts.append(_class_table(facts.failure_classes))
        parts.append(_failure_table(facts))
    return "\n\n".join(parts) + "\n"


def status_table(samples: Mapping[str, Mapping[str, int]], num_inputs: int) -> str:
    """Counts that add up: planned = ok + skipped + failed + quarantined + pending."""
    lines = ["| product | planned | " + " | ".join(STATUSES) + " | pending |", "| --- |" + " --- |" * 6]
    for product, counts in samples.items():
        values = [counts.get(status, 0) for status in STATUSES]
        numbers = [num_inputs, *values, num_inputs - sum(values)]
        lines.append(f"| {cell(product)} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def cell(text: str, limit: int = 120) -> str:
    """Foreign text as inline code that cannot leave its table cell."""
    shown = one_line(text, limit, "\N{REPLACEMENT CHARACTER}")
    for mark, harmless in (("`", "'"), ("|", "¦"), ("<", "‹"), (">", "›")):
        shown = shown.replace(mark, harmless)
    return f"`{shown or ' '}`"


def _what_was_done(facts: RunFacts) -> str:
    said = (
        f"{facts.shards_done} shards done in this run, {facts.shards_before} were done before. "
        f"{facts.photos_done} photos in {facts.seconds:.1f} s"
    )
    if facts.photos_done and facts.seconds:
        said += f", {facts.photos_done / facts.seconds:.2f} photos/s"
    said += "."
    if facts.photos_before:
        said += f" {facts.photos_before} photos were skipped because they were done."
    return said


def _link(place: str) -> str:
    if place.startswith(("http://", "https://")):
        address = one_line(place, 2000).replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
        return f"<{address}>"
    return cell(place, 1000)


def _stage_table(facts: RunFacts, total: float) -> str:
    lines = ["| stage | steps | p50 ms | p95 ms | s | share |", "| --- |" + " --- |" * 5]
    for name, seconds in facts.stages.items():
        spans = facts.spans.get(name, {})
        middle, slow = (f"{quantile(spans, share) * 1000:.3g}" if spans else "" for share in (0.5, 0.95))
        lines.append(f"| {name} | {sum(spans.values())} | {middle} | {slow} | {seconds:.1f} | {seconds / total:.0%} |")
    return "\n".join(lines)


def _cost(facts: RunFacts, usage: Usage) -> str:
    requests = ", ".join(f"{count} {kind}" for kind, count in sorted(usage.requests.items())) or "none billed"
    used = (
        f"{facts.actors} actors on {facts.nodes} nodes, {usage.actor_s / 3600:.3f} actor hours; "
        f"{facts.objects} objects, {usage.bytes / 1e6:.1f} MB written; requests: {requests}."
    )
    if not facts.prices.given:
        return used + " No prices were given, so no cost is stated (`prices` of the request)."
    of, currency = cost(usage, facts.prices), cell(facts.prices.currency, 12)
    said = (
        f"{used} Actors {of.actors:.4f} + requests {of.requests:.4f} + a month of storage {of.storage_month:.4f} = "
        f"{of.total:.4f} {currency}"
    )
    if facts.photos_done:
        said += f"; {1000 * of.total / facts.photos_done:.4f} {currency} for 1,000 photos"
    return said + "."


def _class_table(classes: Mapping[str, int]) -> str:
    lines = ["| class | photos |", "| --- | --- |"]
    by_count = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(lines + [f"| {cell(name)} | {count} |" for name, count in by_count])


def _failure_table(facts: RunFacts) -> str:
    lines = ["| photo | status | class | reason |", "| --- | --- | --- | --- |"]
    for failure in facts.failures[:_SHOWN_FAILURES]:
        fields = (failure.key, failure.status, failure.error_class, failure.message)
        lines.append("| " + " | ".join(cell(value) for value in fields) + " |")
    total = sum(facts.failure_classes.values()) or len(facts.failures)
    if total > _SHOWN_FAILURES:
        lines.append(f"| … and {total - min(_SHOWN_FAILURES, len(facts.failures))} more | | | |")
    return "\n".join(lines)
