"""The pool's actors for the engine: one shard worker each, on the machines of a Ray session."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from oodinv.cluster.crews import Actors, crews_for, num_processors
from oodinv.cluster.job import Done, Fatal
from oodinv.cluster.pool import Pool
from oodinv.cluster.pulse import ClusterLost
from oodinv.cluster.session import Cluster, ray_session
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.store import LocationError


class _ShardWorker:
    """A `ShardWorker` on one thread that tells the pool which errors no retry can help."""

    def __init__(self, settings: RunSettings, gpus: float):
        import torch

        from oodinv.engine.worker import ShardWorker
        from oodinv.memory import keep_freed_memory
        from oodinv.turns import take_shorter_turns

        keep_freed_memory()
        take_shorter_turns()
        # One thread per actor: the pool scales by actors, and a photo's bytes must not depend on how many there are.
        torch.set_num_threads(1)
        if 0 < gpus < 1 and torch.cuda.is_available():
            # Ray counts shares and enforces none: who took more would starve the others on the same GPU.
            torch.cuda.set_per_process_memory_fraction(gpus)
        self._worker = ShardWorker(settings, "cuda" if gpus else "cpu")

    def run(self, job: ShardJob, on_sample: Callable[[str | None], object]) -> Any:
        from oodinv.bundles.spec import BundleError
        from oodinv.faces import DetectorUnavailable
        from oodinv.store import StoreError

        try:
            return self._worker.run(job, on_sample)
        except (StoreError, LocationError, BundleError, DetectorUnavailable) as error:
            raise Fatal(str(error)) from None


class ShardPool:
    """A Ray session with a pool of shard workers: opened by the first job, opened anew after it was lost.

    Actors and their models live as long as the session. Jobs are one stream, taken from in any portions.
    """

    def __init__(self, settings: RunSettings, actors: Actors, shards: Sequence[str], job_of: Callable[[str], ShardJob]):
        """Nothing is started yet.

        Args:
            settings: What the workers do.
            actors: How many.
            shards: All that have something to do.
            job_of: What that is; asked when an actor is free for it.
        """
        self._settings, self._actors, self._job_of = settings, actors, job_of
        self._left = dict.fromkeys(shards)
        self._stack: ExitStack | None = None
        self._pool: Pool | None = None
        self._ended: Iterator[Done] | None = None
        self.cluster: Cluster | None = None

    @property
    def size(self) -> int:
        """Actors of the open session; 0 when none is open."""
        return self._pool.size if self._pool is not None else 0

    def take(self, count: int) -> Iterator[Done]:
        """The next jobs to end, so many or all that are left; the others go on meanwhile.

        Raises:
            Fatal, ClusterLost, ClusterUnavailable: See `Pool.run` and `ray_session`. After ClusterLost the next call
                opens a new session, and what was under way is begun again.
            LocationError: The cluster has several machines and a folder of this one cannot be reached from the others.
        """
        for _ in range(count):
            try:
                if self._ended is None:
                    self._ended = self._begin()
                done = next(self._ended, None)
            except ClusterLost:
                self.close()
                raise
            if done is None:
                return
            del self._left[done.job.shard_id]
            yield done

    def drain(self, seconds: float) -> int:
        """Begin nothing more, let what is under way end for so long at most: how many did. `close` is to follow."""
        return 0 if self._pool is None else self._pool.drain(seconds)

    def close(self) -> None:
        """Kill the actors and leave or stop Ray."""
        stack, self._stack, self._pool, self._ended = self._stack, None, None, None
        if stack is not None:
            stack.close()

    def _begin(self) -> Iterator[Done]:
        """A session, a pool in it, and all that has not ended."""
        settings = self._settings
        with ExitStack() as stack:
            self.cluster = stack.enter_context(ray_session(num_processors(self._actors)))
            _check_reachable(settings, self.cluster)
            crews = crews_for(
                self._actors,
                self.cluster,
                lambda share: _ShardWorker(settings, share),
                jobs=len(self._left),
            )
            self._pool = Pool(crews)
            stack.callback(self._pool.close)
            self._stack = stack.pop_all()
        split = len(crews) > 1
        return self._pool.run(_Jobs(list(self._left), lambda shard: self._job(shard, split=split)))

    def _job(self, shard_id: str, *, split: bool) -> ShardJob:
        job = self._job_of(shard_id)
        return job.split(self._settings.faces.name) if split else job


class _Jobs:
    """Made when they are asked for; how many are left is known."""

    def __init__(self, shards: Sequence[str], job_of: Callable[[str], ShardJob]):
        self._shards, self._job_of, self._next = shards, job_of, 0

    def __iter__(self) -> Iterator[ShardJob]:
        return self

    def __next__(self) -> ShardJob:
        if self._next == len(self._shards):
            raise StopIteration
        self._next += 1
        return self._job_of(self._shards[self._next - 1])

    def __length_hint__(self) -> int:
        return len(self._shards) - self._next


def _check_reachable(settings: RunSettings, cluster: Cluster) -> None:
    """Refuse folders of one machine for actors on another."""
    folders = [uri for uri in (settings.source, settings.target) if not uri.startswith("s3://")]
    if folders and not cluster.here:
        raise LocationError(
            f"{folders[0]!r} is a folder of this machine, and the actors of the Ray cluster run on other "
            "machines: name s3:// places, or run without RAY_ADDRESS"
        )
