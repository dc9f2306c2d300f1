"""The pool's actors for the engine: one shard worker each, on the machines of a Ray session."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from oodinv.cluster.pool import Done, Fatal, Pool, PoolSettings
from oodinv.cluster.session import Cluster, ray_session
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.store import LocationError


class _ShardWorker:
    """A `ShardWorker` on one thread that tells the pool which errors no retry can help."""

    def __init__(self, settings: RunSettings, device: str):
        import torch

        from oodinv.engine.worker import ShardWorker
        from oodinv.memory import keep_freed_memory

        keep_freed_memory()
        # One thread per actor: the pool scales by actors, and a photo's bytes must not depend on how many there are.
        torch.set_num_threads(1)
        self._worker = ShardWorker(settings, device)

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

    Actors and their models live as long as the session, so that waves of shards share them.
    """

    def __init__(
        self,
        settings: RunSettings,
        workers: int,
        *,
        workers_given: bool = True,
        most: int,
        gpus_per_worker: float = 0.0,
    ):
        """Nothing is started yet.

        Args:
            settings: What the workers do.
            workers: Actors; on a cluster, if `workers_given` is false, as many as it has room for.
            workers_given: Somebody asked for just so many.
            most: Never more; jobs that there are.
            gpus_per_worker: GPUs of each actor; 0 computes on processors.
        """
        self._settings, self._workers, self._given, self._gpus = (
            settings,
            min(workers, most),
            workers_given,
            gpus_per_worker,
        )
        self._most = most
        self._stack: ExitStack | None = None
        self._pool: Pool | None = None
        self.cluster: Cluster | None = None

    @property
    def size(self) -> int:
        """Actors of the open session; 0 when none is open."""
        return self._pool.size if self._pool is not None else 0

    def run(self, jobs: Sequence[ShardJob]) -> Iterator[Done]:
        """Work through jobs; yield each as it ends.

        Raises:
            Fatal, ClusterLost, ClusterUnavailable: See `Pool.run` and `ray_session`. After ClusterLost the next call
                opens a new session.
            LocationError: The cluster has several machines and a folder of this one cannot be reached from the others.
        """
        try:
            yield from self._opened().run(jobs)
        except BaseException:
            # Whatever it was: actors that go on computing for nobody must not outlive it.
            self.close()
            raise

    def close(self) -> None:
        """Kill the actors and leave or stop Ray."""
        stack, self._stack, self._pool = self._stack, None, None
        if stack is not None:
            stack.close()

    def _opened(self) -> Pool:
        if self._pool is None:
            with ExitStack() as stack:
                self.cluster = stack.enter_context(ray_session(self._workers))
                _check_reachable(self._settings, self.cluster)
                device = "cuda" if self._gpus else "cpu"
                settings = self._settings
                pool = Pool(
                    lambda: _ShardWorker(settings, device),
                    PoolSettings(size=self._room(self.cluster), num_gpus=self._gpus),
                )
                stack.callback(pool.close)
                self._stack, self._pool = stack.pop_all(), pool
        return self._pool

    def _room(self, cluster: Cluster) -> int:
        if self._given or cluster.private:
            return self._workers
        return max(1, min(self._most, int(cluster.gpus / self._gpus if self._gpus else cluster.cpus)))


def _check_reachable(settings: RunSettings, cluster: Cluster) -> None:
    """Refuse folders of one machine for actors on another."""
    folders = [uri for uri in (settings.source, settings.target) if not uri.startswith("s3://")]
    if folders and not cluster.here:
        raise LocationError(
            f"{folders[0]!r} is a folder of this machine, and the actors of the Ray cluster run on other "
            "machines: name s3:// places, or run without RAY_ADDRESS"
        )
