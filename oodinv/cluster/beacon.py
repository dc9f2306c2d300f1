"""Where each actor stands: the sample it works on, and when it began."""

import time
from dataclasses import dataclass

import ray


@dataclass(frozen=True, kw_only=True)
class Position:
    """What one actor last said."""

    sample_id: str | None
    """None before the first sample of a job."""
    age_s: float
    """Seconds since it said so."""
    samples_begun: int
    """Samples it has begun since it was made."""
    node: str = ""
    """Ray's id of the machine it is on."""


class _Beacon:
    """Remembers the last word of every actor, so that a dead one's sample is known."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str | None, float, int]] = {}
        self._nodes: dict[str, str] = {}

    def placed(self, actor: str, node: str) -> None:
        """Called by an actor when it is made, with the machine it is on."""
        self._nodes[actor] = node
        self.report(actor, None)

    def report(self, actor: str, sample_id: str | None) -> None:
        """Called by an actor before it begins a sample."""
        begun = self._last.get(actor, (None, 0.0, 0))[2]
        self._last[actor] = (sample_id, time.monotonic(), begun + (sample_id is not None))

    def positions(self) -> dict[str, Position]:
        """Last word of every actor."""
        now = time.monotonic()
        return {
            actor: Position(sample_id=sample, age_s=now - since, samples_begun=begun, node=self._nodes.get(actor, ""))
            for actor, (sample, since, begun) in self._last.items()
        }

    def forget(self, actor: str) -> None:
        """Drop a dead actor."""
        self._last.pop(actor, None)
        self._nodes.pop(actor, None)


# Called, not used as a decorator: the shape checker of the tests wraps decorated classes, which an actor class is not.
Beacon = ray.remote(num_cpus=0, max_restarts=0)(_Beacon)
