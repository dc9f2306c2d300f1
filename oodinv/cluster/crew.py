"""The actors of one role: as many as there is work for, each on a process of its own."""

import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from oodinv.cluster.job import ALL, Worker


@dataclass(frozen=True, kw_only=True)
class CrewSettings:
    """What its actors are."""

    make_worker: Callable[[], Worker]
    """Called by each actor, in its process."""
    most: int
    """Actors, while there is work for so many."""
    least: int | None = None
    """Actors that are kept while there is less work; None = `most`."""
    role: str = ALL
    """Of the jobs they do."""
    num_cpus: float = 1.0
    """Logical processors per actor."""
    num_gpus: float = 0.0
    """GPUs per actor; a fraction shares one."""

    @property
    def needs(self) -> str:
        """What an actor takes, for people."""
        return f"{self.num_cpus:g} CPUs and {self.num_gpus:g} GPUs"


class _Actor:
    def __init__(self, name: str, make_worker: Callable[[], Worker], beacon: Any) -> None:
        self._name, self._beacon = name, beacon
        ray.get(beacon.placed.remote(name, ray.get_runtime_context().get_node_id()))
        self._worker = make_worker()
        self._said: str | None = None

    def run(self, job: Any) -> Any:
        self._say(None)
        return self._worker.run(job, self._say), ray.get_runtime_context().get_node_id()

    def still_there(self) -> None:
        """Whoever hears this answer knows that the actor lives."""

    def _say(self, sample_id: str | None) -> None:
        sent = self._beacon.report.remote(self._name, sample_id)
        # Waited for: a message still in this process when it dies would never tell which sample killed it, or blame one
        # that was done. That no sample is at fault, still, may be lost.
        if (sample_id, self._said) != (None, None):
            ray.get(sent)
        self._said = sample_id


_RemoteActor = ray.remote(max_restarts=0, max_task_retries=0)(_Actor)


@dataclass
class Member:
    """An actor, and what it is at."""

    name: str
    handle: Any
    crew: "Crew"
    job: Any = None
    reference: Any = None
    since: float = 0.0
    """When it got its job."""
    lost_since: float | None = None
    """When the connection to it broke; it is being asked whether it is still there."""

    def rests(self) -> None:
        """It has no job any more."""
        self.job, self.reference, self.lost_since = None, None, None


class Crew:
    """Actors that can take each other's place."""

    def __init__(self, settings: CrewSettings, beacon: Any):
        """Those that are always kept are started.

        Args:
            settings: What they are.
            beacon: The actor that they report to.
        """
        self.settings, self._beacon = settings, beacon
        self.members = [self._spawn() for _ in range(self._least)]

    @property
    def role(self) -> str:
        """Of the jobs they do."""
        return self.settings.role

    @property
    def _least(self) -> int:
        return self.settings.most if self.settings.least is None else min(self.settings.least, self.settings.most)

    def fit(self, demand: int, placed: Collection[str]) -> None:
        """Start or dismiss actors, so that there are as many as jobs, within the limits; none is taken from its job.

        Args:
            demand: Jobs under way, waiting and to come.
            placed: Names of those that have a place on the cluster; the others go first.
        """
        wanted = max(self._least, min(self.settings.most, demand))
        while len(self.members) < wanted:
            self.members.append(self._spawn())
        idle = sorted((m for m in self.members if m.job is None), key=lambda member: member.name in placed)
        for member in idle[: max(0, len(self.members) - wanted)]:
            self.members.remove(member)
            self._dismiss(member)

    def replace(self, member: Member) -> None:
        """Kill an actor and put a fresh one in its place, without a job."""
        self._dismiss(member)
        fresh = self._spawn()
        member.name, member.handle = fresh.name, fresh.handle
        member.rests()

    def close(self) -> None:
        """Kill all of them."""
        for member in self.members:
            with suppress(RayError, ValueError):  # on a cluster that is gone, they are too
                ray.kill(member.handle, no_restart=True)

    def _dismiss(self, member: Member) -> None:
        ray.kill(member.handle, no_restart=True)
        self._beacon.forget.remote(member.name)

    def _spawn(self) -> Member:
        name, settings = uuid.uuid4().hex[:12], self.settings
        actor = _RemoteActor.options(
            num_cpus=settings.num_cpus, num_gpus=settings.num_gpus, scheduling_strategy="SPREAD"
        )
        return Member(name=name, handle=actor.remote(name, settings.make_worker, self._beacon), crew=self)
