"""The pool: hands jobs to actors, and owns what happens when one dies, hangs or raises.

An actor that dies, stands still at a sample longer than the deadline, or takes many times as long for its job as others
do, is killed and replaced, and its job is tried again, now sample by sample. The sample an actor was at when that
happened is a suspect; one that was there twice is put on the job's quarantine list, and the job goes on without it. Of
several samples at once none is a suspect: the next attempt tells which it is. When an actor's whole machine is gone (a
spot machine that was taken back), nobody is to blame: the job is tried again as if nothing had been. Ray itself retries
nothing.
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
from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from oodinv.cluster.beacon import Beacon, Position
from oodinv.cluster.pace import Pace
from oodinv.cluster.pulse import ClusterLost, Pulse

logger = logging.getLogger(__name__)


@runtime_checkable
class Job(Protocol):
    """A piece of work that can be sent to an actor."""

    @property
    def shard_id(self) -> str:
        """Names the job."""

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
    lost_deadline_s: float = 60.0
    """Longest to wait for word whether an actor that cannot be reached has died; Ray notices within half a minute."""
    patience: float = 20.0
    """A job may take so many times as long, for each of its samples, as the slowest twentieth of the jobs before it;
    never less than `sample_deadline_s`. Sample by sample and with a model to load, it takes a few times as long."""
    max_attempts: int = 4
    """Attempts per job; one that puts a sample into quarantine starts counting anew."""


class _Actor:
    def __init__(self, name: str, make_worker: Callable[[], Worker], beacon: Any) -> None:
        self._name, self._beacon = name, beacon
        ray.get(beacon.placed.remote(name, ray.get_runtime_context().get_node_id()))
        self._worker = make_worker()

    def run(self, job: Any) -> Any:
        self._say(None)
        return self._worker.run(job, self._say), ray.get_runtime_context().get_node_id()

    def still_there(self) -> None:
        """Whoever hears this answer knows that the actor lives."""

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
    lost_since: float | None = None
    """When the connection to it broke; it is being asked whether it is still there."""


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
        self._pace = Pace(settings.patience)
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
                    member.since, member.lost_since = time.monotonic(), None
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
                elif (reason := self._hangs(member, positions)) is not None:
                    done = self._failed(member, again, positions, reason)
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

    def _hangs(self, member: _Member, positions: dict[str, Position]) -> str | None:
        """Why an actor is believed to hang; None while it is not."""
        position, least = positions.get(member.name), self._settings.sample_deadline_s
        if position is None:
            return None
        # Its last word may be older than its job, when it was idle before and has not begun to speak.
        on_job = time.monotonic() - member.since
        if min(position.age_s, on_job) > least:
            return f"stood at one sample for more than {least:g} s"
        longest = max(least, self._pace.longest(member.job.num_samples))
        if on_job > longest:
            return f"took more than {longest:.0f} s, {self._settings.patience:g} times as long as other jobs"
        return None

    def _collect(self, member: _Member, again: deque[Job], positions: dict[str, Position]) -> Done | None:
        try:
            answer = ray.get(member.reference)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            if isinstance(cause, Fatal):
                raise cause from error
            # What the exception left behind in the process is unknown: a fresh actor costs seconds.
            return self._failed(member, again, positions, f"{type(cause).__name__}: {str(cause)[:300]}")
        except RayError as error:
            self._pulse.check(force=True)  # on a cluster that is gone, no actor is to blame
            position = positions.get(member.name)
            if machine_is_gone(error, "" if position is None else position.node):
                self._taken_back(member, again, _last_words(error))
            elif not self._asks_again(member, error):
                return self._failed(member, again, positions, f"its process died: {_last_words(error)}")
            return None
        if member.lost_since is not None:
            # It lives, and what it answered is lost; whether it had finished the job, the ledger knows.
            return self._failed(member, again, positions, "the connection to its process was lost")
        receipt, node = answer
        job, member.job, member.reference = member.job, None, None
        self._pace.ended(job.num_samples, time.monotonic() - member.since)
        return Done(job=job, receipt=receipt, attempts=self._records.pop(job.shard_id).attempts, node=node)

    def _asks_again(self, member: _Member, error: RayError) -> bool:
        """Ray has lost an actor and does not know yet whether it died, and of what: ask it until that is known."""
        if not isinstance(error, ActorUnavailableError):
            return False
        now = time.monotonic()
        member.lost_since = member.lost_since or now
        if now - member.lost_since > self._settings.lost_deadline_s:
            return False
        time.sleep(0.2)
        member.reference = member.handle.still_there.remote()
        return True

    def _taken_back(self, member: _Member, again: deque[Job], words: str) -> None:
        """Replace an actor whose machine is gone; its job is tried again, and the attempt does not count."""
        job = member.job
        logger.warning("shard %s: its machine is gone (%s); it is done again elsewhere", job.shard_id, words)
        self._replace(member)
        self._records[job.shard_id].attempts -= 1
        again.append(job)

    def _replace(self, member: _Member) -> None:
        ray.kill(member.handle, no_restart=True)
        self._beacon.forget.remote(member.name)
        fresh = self._spawn()
        member.name, member.handle, member.job, member.reference = fresh.name, fresh.handle, None, None
        self.replaced += 1

    def _failed(self, member: _Member, again: deque[Job], positions: dict[str, Position], reason: str) -> Done | None:
        """Replace the actor; queue the job again, or give it up."""
        job = member.job
        position = positions.get(member.name)
        sample = position.sample_id if position is not None else None
        self._replace(member)
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


def machine_is_gone(error: RayError, node: str) -> bool:
    """Whether an actor died because its machine did: taken back by its owner, or lost.

    Args:
        error: What came in place of its answer.
        node: Where it was; empty = not known.
    """
    if not isinstance(error, RayActorError):
        return False
    if error.preempted or "its node has died" in str(error):
        return True
    return any(each["NodeID"] == node and not each["Alive"] for each in ray.nodes())


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
