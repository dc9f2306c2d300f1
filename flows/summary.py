"""What a run came to, for whoever started it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What the command line prints."""

    target: str
    shards_done: int
    shards_before: int
    photos_done: int
    num_inputs: int
    samples: dict[str, dict[str, int]]
    """Product → status → samples, over the whole dataset."""
    failed_share: float
    """Largest share of failed or quarantined samples of any product."""
    given_up: dict[str, str]
    report_key: str | None
    sheet_key: str | None
    gallery_key: str | None
    snapshot: int | None
    seconds: float

    def told(self) -> str:
        """As a person reads it."""
        done = f"{self.shards_done} shards done" if self.shards_done else "no shard to do"
        lines = [f"{done}, {self.shards_before} were done before; {self.seconds:.1f} s"]
        for product, counts in self.samples.items():
            pending = self.num_inputs - sum(counts.values())
            said = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("ok", "skipped", "failed", "quarantined"))
            lines.append(
                f"  {product}: {self.num_inputs} photos = {said}" + (f", {pending} pending" if pending else "")
            )
        lines += [f"shard {shard} was given up: {error}" for shard, error in self.given_up.items()]
        lines.append(f"images and rows   {place(self.target, 'products')}")
        lines.append(f"metadata          {place(self.target, 'latest.json')} (snapshot {self.snapshot})")
        if self.sheet_key:
            lines.append(f"contact sheet     {place(self.target, self.sheet_key)}")
        if self.gallery_key:
            lines.append(f"gallery           {place(self.target, self.gallery_key)}")
        if self.report_key:
            lines.append(f"report            {place(self.target, self.report_key)}")
        return "\n".join(lines)


def place(target: str, key: str) -> str:
    """Where an object of the target lies, as its user would name it."""
    return f"{target.rstrip('/')}/{key}" if "://" in target else str(Path(target) / key)


class RunEndedBadly(Exception):
    """The run came to its end, its report is written, and it must not count as a success."""

    def __init__(self, message: str, summary: RunSummary):
        super().__init__(message)
        self.summary = summary


class TooManyFailed(RunEndedBadly):
    """More photos failed than the request allows."""


class ShardsGivenUp(RunEndedBadly):
    """Shards failed in every attempt; the next run tries them anew."""


class NothingDone(Exception):
    """Every shard failed in all its attempts, so there is nothing to publish."""
