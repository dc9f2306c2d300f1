"""What a run cost, from prices that its user gives."""

from collections.abc import Mapping
from dataclasses import dataclass

_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Prices:
    """In any currency."""

    actor_hour: float = 0.0
    """One actor for an hour, with its share of a machine and of a GPU."""
    write_1000: float = 0.0
    """A thousand PUT, POST or LIST requests."""
    read_1000: float = 0.0
    """A thousand GET or HEAD requests."""
    gb_month: float = 0.0
    """A GB (10⁹ bytes) kept for a month."""
    currency: str = "USD"

    @property
    def given(self) -> bool:
        """Somebody set one."""
        return any((self.actor_hour, self.write_1000, self.read_1000, self.gb_month))


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a run used."""

    actor_s: float
    """Actors times seconds, idle ones too: their machines are paid for."""
    requests: Mapping[str, int]
    """By kind: `read`, `write`."""
    bytes: int
    """Written."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Parts of a run's cost, in the currency of its prices."""

    actors: float
    requests: float
    storage_month: float
    """Keeping what was written for a month."""

    @property
    def total(self) -> float:
        """All parts."""
        return self.actors + self.requests + self.storage_month


def cost(usage: Usage, prices: Prices) -> Cost:
    """Usage times prices."""
    reads, writes = usage.requests.get("read", 0), usage.requests.get("write", 0)
    return Cost(
        actors=usage.actor_s / 3600 * prices.actor_hour,
        requests=reads / 1000 * prices.read_1000 + writes / 1000 * prices.write_1000,
        storage_month=usage.bytes / _GB * prices.gb_month,
    )
