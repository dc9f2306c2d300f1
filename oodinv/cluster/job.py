"""What a pool is given, what its actors run, and what comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional, Protocol, runtime_checkable

ALL = "all"
"""The role of actors that do everything."""


@runtime_checkable
class Job(Protocol):
    """A piece of work that can be sent to an actor."""

    @property
    def shard_id(self) -> str:
        """Names the job."""

    @property
    def role(self) -> str:
        """Which actors do it."""

    @property
    def num_samples(self) -> int:
        """How many it is about."""

    @property
    def quarantine(self) -> frozenset[str]:
        """Samples not to touch."""

    def without(self, sample_id: str) -> "Job":
        """The same job with one more sample in quarantine."""

    def with_care(self) -> "Job":
        """The same job, for another attempt: at each moment one sample at most is under way, and it is reported."""

    def then(self) -> Optional["Job"]:
        """What is to be done next under the same name, by actors of another role, once this has ended well."""


@runtime_checkable
class Worker(Protocol):
    """What an actor runs."""

    def run(self, job: Any, on_sample: Callable[[str | None], object]) -> Any:
        """Do a job; call `on_sample` before each sample, and with None after the last. Returns a small receipt."""


class Fatal(Exception):
    """Raised by a worker when no retry can help, e.g. a full disk: the whole run stops."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A job that ended with all that followed it, well or badly."""

    job: Any
    """The last that was tried."""
    receipts: tuple[Any, ...]
    """Of the job and those that followed it; fewer where one of them failed."""
    attempts: int
    """Of the one that needed most."""
    nodes: frozenset[str] = frozenset()
    """Ray's ids of the nodes it was done on."""
    error: str | None = None
    """None when it ended well."""
