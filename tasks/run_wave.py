"""One wave: a bounded number of shards through the pool, one task run in the UI."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from oodinv.cluster.pool import Pool
from oodinv.engine.settings import ShardJob
from oodinv.engine.worker import Receipt


@dataclass(frozen=True, kw_only=True)
class WaveResult:
    """What a wave came to."""

    receipts: tuple[Receipt, ...]
    given_up: dict[str, str]
    """Shards without result, and the last error."""


@task(name="run-wave", task_run_name="wave {number}: {names}", cache_policy=NO_CACHE, persist_result=False)
def run_wave(
    number: int, names: str, jobs: Sequence[ShardJob], pool: Pool, on_progress: Callable[[int], None]
) -> WaveResult:
    """Work through the wave's shards.

    Args:
        number: Of the wave, from 1.
        names: First and last shard, for the task run's name.
        jobs: The shards.
        pool: Where they are done.
        on_progress: Called with the number of photos just finished.
    """
    logger = get_run_logger()
    receipts, given_up = [], {}
    for done in pool.run(jobs):
        on_progress(len(done.job.samples))
        if done.receipt is None:
            given_up[done.job.shard_id] = done.error or "unknown"
            logger.error("shard %s given up after %d attempts: %s", done.job.shard_id, done.attempts, done.error)
            continue
        receipts.append(done.receipt)
        if done.attempts > 1 or done.job.quarantine:
            logger.warning(
                "shard %s needed %d attempts, %d photos quarantined",
                done.job.shard_id, done.attempts, len(done.job.quarantine),
            )  # fmt: skip
    return WaveResult(receipts=tuple(receipts), given_up=given_up)
