"""The pool: hands jobs to actors, and owns what happens when one dies, hangs or raises.

An actor that dies or stands still longer than the deadline is killed and replaced, and its job is tried again, now
sample by sample. The sample an actor was at when that happened is a suspect; one that was there twice is put on the
job's quarantine list, and the job goes on without it. Of several samples at once none is a suspect: the next attempt
tells which it is. Ray itself retries nothing.
"""

import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from oodinv.cluster.beacon import Beacon, Position
from oodinv.cluster.pulse import ClusterLost, Pulse

logger = logging.getLogger(__name__)


@runtime_checkable
class Job(Protocol):
    """A piece of work that can be sent to an actor."""

    @property
    def shard_id(self) -> str:
        """Names the job."""

    @property
    def quarantine(self) -> frozenset[str]:
        """Samples not to touch."""

    def without(self, sample_id: str) -> "Job":
        """The same job with one more sample in quarantine."""

    def with_care(self) -> "Job":
        """The same job, for another attempt: at each moment one sample at most is under way, and it is reported."""


@runtime_checkable
class Worker(Protocol):
    """What an actor runs."""

    def run(self, job: Any, on_sample: Callable[[str | None], object]) -> Any:
        """Do a job; call `on_sample` before each sample, and with None after the last. Returns a small receipt."""


class Fatal(Exception):
    """Raised by a worker when no retry can help, e.g. a full disk: the whole run stops."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A job that ended, well or badly."""

    job: Any
    receipt: Any | None
    """None when all attempts failed."""
    attempts: int
    node: str = ""
    """Ray's id of the node it was done on."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """How patient the pool is."""

    size: int
    """Actors."""
    num_cpus: float = 1.0
    """Logical processors per actor."""
    num_gpus: float = 0.0
    """GPUs per actor; a fraction shares one."""
    start_deadline_s: float = 900.0
    """Longest to wait for the first actor: a cluster may have to fetch machines first."""
    sample_deadline_s: float = 180.0
    """Longest an actor may stand at one sample, model loading included."""
    max_attempts: int = 4
    """Attempts per job; one that puts a sample into quarantine starts counting anew."""


class _Actor:
    def __init__(self, name: str, make_worker: Callable[[], Worker], beacon: Any) -> None:
        self._name, self._beacon = name, beacon
        self._say(None)
        self._worker = make_worker()

    def run(self, job: Any) -> Any:
        self._say(None)
        return self._worker.run(job, self._say), ray.get_runtime_context().get_node_id()

    def _say(self, sample_id: str | None) -> None:
        # Waited for: a message still in this process when it dies would never tell which sample killed it.
        ray.get(self._beacon.report.remote(self._name, sample_id))


_RemoteActor = ray.remote(max_restarts=0, max_task_retries=0)(_Actor)


@dataclass
class _Member:
    name: str
    handle: Any
    job: Any = None
    reference: Any = None
    since: float = 0.0
    """When it got its job."""


@dataclass
class _Record:
    attempts: int = 0
    suspects: Counter[str] = field(default_factory=Counter)


class Pool:
    """Actors around workers. Needs a running Ray."""

    def __init__(self, make_worker: Callable[[], Worker], settings: PoolSettings):
        self._make_worker, self._settings = make_worker, settings
        self._pulse = Pulse()
        # Beside the driver: another node's end must not take along what is known of all actors.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._beacon: Any = Beacon.options(scheduling_strategy=here).remote()
        self._members = [self._spawn() for _ in range(settings.size)]
        self._records: dict[str, _Record] = {}
        self.replaced = 0

    @property
    def size(self) -> int:
        """Actors."""
        return len(self._members)

    def run(self, jobs: Iterable[Job], on_tick: Callable[[dict[str, Position]], None] | None = None) -> Iterator[Done]:
        """Work through jobs, at most one per actor at a time; yield each as it ends.

        Args:
            jobs: Read lazily.
            on_tick: Called about once a second with where the actors stand.

        Raises:
            Fatal: A worker said that no retry can help, or the cluster has no room for a single actor.
            ClusterLost: Ray itself is gone; the pool is of no use any more. Jobs that were not yielded are to do.
        """
        waiting = iter(jobs)
        again: deque[Job] = deque()
        exhausted = False
        begin = time.monotonic()
        positions = self._positions()
        while True:
            for member in self._members:
                # One that has not spoken is not placed yet: its job would wait while others are idle.
                if member.job is not None or member.name not in positions:
                    continue
                job = again.popleft() if again else next(waiting, None)
                exhausted = exhausted or (job is None)
                if job is not None:
                    self._records.setdefault(job.shard_id, _Record()).attempts += 1
                    member.job, member.reference = job, member.handle.run.remote(job)
                    member.since = time.monotonic()
            running = [member for member in self._members if member.job is not None]
            if not running and exhausted and not again:
                return
            if running:
                ready = _wait([member.reference for member in running])
            else:
                ready = self._wait_for_actors(begin)
            self._pulse.check()
            positions = self._positions()
            if on_tick is not None:
                on_tick(positions)
            for member in running:
                if member.reference in ready:
                    done = self._collect(member, again, positions)
                    if done is not None:
                        yield done
                elif self._is_stuck(member, positions):
                    seconds = self._settings.sample_deadline_s
                    done = self._failed(member, again, positions, f"stood at one sample for more than {seconds:g} s")
                    if done is not None:
                        yield done

    def close(self) -> None:
        """Kill the actors."""
        for handle in (*(member.handle for member in self._members), self._beacon):
            with suppress(RayError, ValueError):  # on a cluster that is gone, they are too
                ray.kill(handle, no_restart=True)

    def _wait_for_actors(self, begin: float) -> list[Any]:
        """No actor is at work: look again soon whether one has a place."""
        if time.monotonic() - begin > self._settings.start_deadline_s:
            raise Fatal(
                f"the Ray cluster had no room for an actor of {self._settings.num_cpus:g} CPUs and "
                f"{self._settings.num_gpus:g} GPUs within {self._settings.start_deadline_s:g} s. Add nodes, or ask for "
                "less per actor."
            )
        time.sleep(0.1)
        return []

    def _spawn(self) -> _Member:
        name = uuid.uuid4().hex[:12]
        options = {"num_cpus": self._settings.num_cpus, "num_gpus": self._settings.num_gpus}
        actor = _RemoteActor.options(**options, scheduling_strategy="SPREAD")
        handle = actor.remote(name, self._make_worker, self._beacon)
        return _Member(name=name, handle=handle)

    def _positions(self) -> dict[str, Position]:
        try:
            return ray.get(self._beacon.positions.remote(), timeout=30)
        except RayError as error:  # it runs on the driver's own node
            raise ClusterLost(f"the Ray node beside this process is gone: {_last_words(error)}") from error

    def _is_stuck(self, member: _Member, positions: dict[str, Position]) -> bool:
        position = positions.get(member.name)
        # Its last word may be older than its job, when it was idle before and has not begun to speak.
        on_job = time.monotonic() - member.since
        return position is not None and min(position.age_s, on_job) > self._settings.sample_deadline_s

    def _collect(self, member: _Member, again: deque[Job], positions: dict[str, Position]) -> Done | None:
        try:
            receipt, node = ray.get(member.reference)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            if isinstance(cause, Fatal):
                raise cause from error
            # What the exception left behind in the process is unknown: a fresh actor costs seconds.
            return self._failed(member, again, positions, f"{type(cause).__name__}: {str(cause)[:300]}")
        except RayError as error:
            self._pulse.check(force=True)  # on a cluster that is gone, no actor is to blame
            return self._failed(member, again, positions, f"its process died: {_last_words(error)}")
        job, member.job, member.reference = member.job, None, None
        return Done(job=job, receipt=receipt, attempts=self._records.pop(job.shard_id).attempts, node=node)

    def _failed(self, member: _Member, again: deque[Job], positions: dict[str, Position], reason: str) -> Done | None:
        """Replace the actor; queue the job again, or give it up."""
        job = member.job
        position = positions.get(member.name)
        sample = position.sample_id if position is not None else None
        ray.kill(member.handle, no_restart=True)
        self._beacon.forget.remote(member.name)
        fresh = self._spawn()
        member.name, member.handle, member.job, member.reference = fresh.name, fresh.handle, None, None
        self.replaced += 1
        record = self._records[job.shard_id]
        logger.warning("shard %s, attempt %d: %s; at sample %s", job.shard_id, record.attempts, reason, sample)
        # One in quarantine was not touched: it cannot have done it, and putting it there again would never end.
        if sample is not None and sample not in job.quarantine:
            record.suspects[sample] += 1
            if record.suspects[sample] >= 2:
                logger.warning("sample %s was there twice: quarantined", sample)
                self._records[job.shard_id] = replace(record, attempts=0)
                again.append(job.without(sample).with_care())
                return None
        if record.attempts < self._settings.max_attempts:
            again.append(job.with_care())
            return None
        self._records.pop(job.shard_id)
        return Done(job=job, receipt=None, attempts=record.attempts, error=reason)


def _wait(references: list[Any]) -> list[Any]:
    """The first that is ready, or none after a second."""
    try:
        return ray.wait(references, num_returns=1, timeout=1.0)[0]
    except SystemError as error:  # how an exception of a signal handler leaves a call into Ray
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None


def _last_words(error: RayError) -> str:
    """The end of Ray's account, where an exception of the constructor stands; one bounded line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " | ".join(lines[-2:])[:400]
