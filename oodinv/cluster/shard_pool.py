"""The pool's actors for the engine: one shard worker each."""

from collections.abc import Callable
from typing import Any

from oodinv.cluster.pool import Fatal, Pool, PoolSettings
from oodinv.engine.settings import RunSettings, ShardJob


class _ShardWorker:
    """A `ShardWorker` on one thread that tells the pool which errors no retry can help."""

    def __init__(self, settings: RunSettings):
        import torch

        from oodinv.engine.worker import ShardWorker

        # One thread per actor: the pool scales by actors, and a photo's bytes must not depend on how many there are.
        torch.set_num_threads(1)
        self._worker = ShardWorker(settings)

    def run(self, job: ShardJob, on_sample: Callable[[str | None], object]) -> Any:
        from oodinv.bundles.spec import BundleError
        from oodinv.faces import DetectorUnavailable
        from oodinv.store import StoreError

        try:
            return self._worker.run(job, on_sample)
        except (StoreError, BundleError, DetectorUnavailable) as error:
            raise Fatal(str(error)) from None


def shard_pool(settings: RunSettings, pool: PoolSettings) -> Pool:
    """A pool of shard workers. Needs a running Ray."""
    return Pool(lambda: _ShardWorker(settings), pool)
