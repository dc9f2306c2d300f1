"""The pool: hands jobs to actors, and owns what happens when one dies, hangs or raises.

Actors have roles: a job may be begun by one on a processor and go on with one on a GPU. Nobody waits for a whole set of
jobs; each goes on as soon as an actor of its next role is free.

An actor that dies, stands still at a sample longer than the deadline, or takes many times as long for its job as others
do, is killed and replaced, and its job is tried again, now sample by sample. The sample an actor was at when that
happened is a suspect; one that was there twice is put on the job's quarantine list, and the job goes on without it. Of
several samples at once none is a suspect: the next attempt tells which it is. When an actor's whole machine is gone (a
spot machine that was taken back), nobody is to blame: the job is tried again as if nothing had been. Ray itself retries
nothing.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from oodinv.cluster.backlog import Backlog, comes_to
from oodinv.cluster.beacon import Beacon, Position
from oodinv.cluster.crew import Crew, CrewSettings, Member
from oodinv.cluster.job import Done, Fatal, Job
from oodinv.cluster.pace import Pace
from oodinv.cluster.pulse import ClusterLost, Pulse

logger = logging.getLogger(__name__)

_AHEAD = 2
"""Jobs, for each actor, that may wait for another role."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the pool waits, and how often it tries."""

    start_deadline_s: float = 900.0
    """Longest to wait for an actor while none is at work: a cluster may have to fetch machines first."""
    sample_deadline_s: float = 180.0
    """Longest an actor may stand at one sample, model loading included."""
    lost_deadline_s: float = 60.0
    """Longest to wait for word whether an actor that cannot be reached has died; Ray notices within half a minute."""
    times_as_long: float = 20.0
    """A job may take so many times as long, for each of its samples, as the slowest twentieth of the jobs before it;
    never less than `sample_deadline_s`. Sample by sample and with a model to load, it takes a few times as long."""
    max_attempts: int = 4
    """Attempts per job; one that puts a sample into quarantine starts counting anew."""


@dataclass
class _Record:
    """Of one name, through all jobs under it."""

    attempts: int = 0
    """At the present job, since a sample was last put into quarantine."""
    spent: int = 0
    """At the present job, before that."""
    worst: int = 0
    """At the earlier job that needed most."""
    suspects: Counter[str] = field(default_factory=Counter)
    receipts: list[Any] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)

    def starts_anew(self) -> None:
        """The same job with a shorter list of suspects: it has all its attempts again."""
        self.spent, self.attempts = self.spent + self.attempts, 0

    def goes_on(self) -> None:
        """With the job that follows."""
        self.worst = max(self.worst, self.spent + self.attempts)
        self.spent = self.attempts = 0
        self.suspects.clear()

    def ends(self, job: Any, error: str | None = None) -> Done:
        """What it came to."""
        return Done(
            job=job,
            receipts=tuple(self.receipts),
            attempts=max(self.worst, self.spent + self.attempts),
            nodes=frozenset(self.nodes),
            error=error,
        )


class Pool:
    """Actors around workers. Needs a running Ray."""

    def __init__(self, crews: Sequence[CrewSettings], patience: Patience = Patience()):
        """The actors that every crew always keeps are started.

        Args:
            crews: One for each role.
            patience: How long to wait.
        """
        self._patience, self._pulse = patience, Pulse()
        # Beside the driver: another node's end must not take along what is known of all actors.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._beacon: Any = Beacon.options(scheduling_strategy=here).remote()
        self._crews = [Crew(settings, self._beacon) for settings in crews]
        self._paces = {crew.role: Pace(patience.times_as_long) for crew in self._crews}
        self._records: dict[str, _Record] = {}
        self._backlog = Backlog(())
        self.replaced = 0

    @property
    def size(self) -> int:
        """Actors."""
        return len(self._members)

    @property
    def num_placed(self) -> int:
        """Actors that have begun to speak."""
        return len(self._positions())

    @property
    def _members(self) -> list[Member]:
        return [member for crew in self._crews for member in crew.members]

    def run(self, jobs: Iterable[Job], on_tick: Callable[[dict[str, Position]], None] | None = None) -> Iterator[Done]:
        """Work through jobs, at most one per actor at a time; yield each as it ends.

        Args:
            jobs: Read lazily.
            on_tick: Called about once a second with where the actors stand.

        Raises:
            Fatal: A worker said that no retry can help, or the cluster has no room for a single actor.
            ClusterLost: Ray itself is gone; the pool is of no use any more. Jobs that were not yielded are to do.
        """
        self._backlog = Backlog(jobs)
        idle_since = time.monotonic()
        positions = self._positions()
        while True:
            self._fit(positions)
            self._hand_out(positions)
            running = [member for member in self._members if member.job is not None]
            if not running and self._backlog.is_empty:
                return
            if running:
                idle_since = time.monotonic()
                ready = _wait([member.reference for member in running])
            else:
                ready = self._wait_for_actors(idle_since)
            self._pulse.check()
            positions = self._positions()
            if on_tick is not None:
                on_tick(positions)
            for member in running:
                done = None
                if member.reference in ready:
                    done = self._collect(member, positions)
                elif (reason := self._hangs(member, positions)) is not None:
                    done = self._failed(member, positions, reason)
                if done is not None:
                    yield done

    def drain(self, seconds: float) -> int:
        """Hand out nothing more, and let what is under way end, for so long at most.

        Returns:
            Jobs that have ended: what they made is there, though `run` never tells of it.
        """
        running = [member.reference for member in self._members if member.job is not None]
        if not running:
            return 0
        with suppress(RayError):
            return len(ray.wait(running, num_returns=len(running), timeout=seconds)[0])
        return 0

    def close(self) -> None:
        """Kill the actors."""
        for crew in self._crews:
            crew.close()
        with suppress(RayError, ValueError):
            ray.kill(self._beacon, no_restart=True)

    def _fit(self, positions: dict[str, Position]) -> None:
        """As many actors of every role as there are jobs for."""
        at_work = [member.job for member in self._members if member.job is not None]
        for crew in self._crews:
            demand = self._backlog.demand(crew.role) + sum(comes_to(job, crew.role) for job in at_work)
            crew.fit(demand, positions.keys())

    def _hand_out(self, positions: dict[str, Position]) -> None:
        ahead = _AHEAD * self.size
        for member in self._members:
            # One that has not spoken is not placed yet: its job would wait while others are idle.
            if member.job is not None or member.name not in positions:
                continue
            job = self._backlog.take(member.crew.role, ahead)
            if job is not None:
                self._records.setdefault(job.shard_id, _Record()).attempts += 1
                member.job, member.reference = job, member.handle.run.remote(job)
                member.since, member.lost_since = time.monotonic(), None

    def _wait_for_actors(self, idle_since: float) -> list[Any]:
        """No actor is at work: look again soon whether one has a place."""
        if time.monotonic() - idle_since > self._patience.start_deadline_s:
            needs = " or ".join(crew.settings.needs for crew in self._crews)
            raise Fatal(
                f"the Ray cluster had no room for an actor of {needs} within {self._patience.start_deadline_s:g} s. "
                "Add nodes, or ask for less per actor."
            )
        time.sleep(0.1)
        return []

    def _positions(self) -> dict[str, Position]:
        try:
            return ray.get(self._beacon.positions.remote(), timeout=30)
        except RayError as error:  # it runs on the driver's own node
            raise ClusterLost(f"the Ray node beside this process is gone: {_last_words(error)}") from error

    def _hangs(self, member: Member, positions: dict[str, Position]) -> str | None:
        """Why an actor is believed to hang; None while it is not."""
        position, least = positions.get(member.name), self._patience.sample_deadline_s
        if position is None:
            return None
        # Its last word may be older than its job, when it was idle before and has not begun to speak.
        on_job = time.monotonic() - member.since
        if min(position.age_s, on_job) > least:
            return f"stood at one sample for more than {least:g} s"
        longest = max(least, self._paces[member.crew.role].longest(member.job.num_samples))
        if on_job > longest:
            return f"took more than {longest:.0f} s, {self._patience.times_as_long:g} times as long as other jobs"
        return None

    def _collect(self, member: Member, positions: dict[str, Position]) -> Done | None:
        try:
            answer = ray.get(member.reference)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            if isinstance(cause, Fatal):
                raise cause from error
            # What the exception left behind in the process is unknown: a fresh actor costs seconds.
            return self._failed(member, positions, f"{type(cause).__name__}: {str(cause)[:300]}")
        except RayError as error:
            self._pulse.check(force=True)  # on a cluster that is gone, no actor is to blame
            position = positions.get(member.name)
            if machine_is_gone(error, "" if position is None else position.node):
                self._taken_back(member, _last_words(error))
            elif not self._asks_again(member, error):
                return self._failed(member, positions, f"its process died: {_last_words(error)}")
            return None
        if member.lost_since is not None:
            # It lives, and what it answered is lost; whether it had finished the job, the ledger knows.
            return self._failed(member, positions, "the connection to its process was lost")
        return self._ended(member, *answer)

    def _ended(self, member: Member, receipt: Any, node: str) -> Done | None:
        """A job ended well: whatever follows it waits now."""
        job = member.job
        self._paces[member.crew.role].ended(job.num_samples, time.monotonic() - member.since)
        member.rests()
        record = self._records[job.shard_id]
        record.receipts.append(receipt)
        record.nodes.add(node)
        following = job.then()
        if following is None:
            return self._records.pop(job.shard_id).ends(job)
        record.goes_on()
        self._backlog.put(following)
        return None

    def _asks_again(self, member: Member, error: RayError) -> bool:
        """Ray has lost an actor and does not know yet whether it died, and of what: ask it until that is known."""
        if not isinstance(error, ActorUnavailableError):
            return False
        now = time.monotonic()
        member.lost_since = member.lost_since or now
        if now - member.lost_since > self._patience.lost_deadline_s:
            return False
        time.sleep(0.2)
        member.reference = member.handle.still_there.remote()
        return True

    def _taken_back(self, member: Member, words: str) -> None:
        """Replace an actor whose machine is gone; its job is tried again, and the attempt does not count."""
        job = member.job
        logger.warning("shard %s: its machine is gone (%s); it is done again elsewhere", job.shard_id, words)
        self._replace(member)
        self._records[job.shard_id].attempts -= 1
        self._backlog.put(job)

    def _replace(self, member: Member) -> None:
        member.crew.replace(member)
        self.replaced += 1

    def _failed(self, member: Member, positions: dict[str, Position], reason: str) -> Done | None:
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
                record.starts_anew()
                self._backlog.put(job.without(sample).with_care())
                return None
        if record.attempts < self._patience.max_attempts:
            self._backlog.put(job.with_care())
            return None
        return self._records.pop(job.shard_id).ends(job, reason)


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
