"""One wave: so many shards of the stream as one task run in the UI; nothing waits at its end."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from oodinv.cluster.job import Done
from oodinv.cluster.pulse import ClusterLost
from oodinv.cluster.shard_pool import ShardPool
from oodinv.engine.receipt import Receipt, join_receipts
from oodinv.report.spans import merge
from oodinv.report.wave_report import WaveFacts, products_table, stages_table
from oodinv.text import one_line
from tasks.show import announce, shown, worth_asking

logger = logging.getLogger("oodinv.run")

_SHOWN_ERRORS = 20
"""Rows that a wave's log tells of by key."""


@dataclass(kw_only=True)
class Wave:
    """Shards that end one after the other; grows while the wave runs, so that another try goes on where it was."""

    number: int
    of: int
    """Waves of the run."""
    size: int
    """Shards."""
    photos: int = 0
    """In shards that were done."""
    receipts: list[Receipt] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)
    """Shards without result, and the last error."""
    nodes: set[str] = field(default_factory=set)
    """Ray's ids of the nodes that took part."""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        return f"wave {self.number} of {self.of}"

    @property
    def left(self) -> int:
        """Shards that have not ended."""
        return self.size - len(self.receipts) - len(self.given_up)

    def facts(self) -> WaveFacts:
        """For people."""
        samples: dict[str, Counter[str]] = {}
        seconds: Counter[str] = Counter()
        errors: dict[str, Counter[str]] = {}
        for receipt in self.receipts:
            seconds.update(receipt.timers)
            for product, counts in receipt.errors.items():
                errors.setdefault(product, Counter()).update(counts)
            for product, counts in receipt.samples.items():
                samples.setdefault(product, Counter()).update(counts)
        return WaveFacts(
            photos=self.photos,
            seconds=self.seconds,
            samples=samples,
            stage_seconds=seconds,
            spans={stage: merge(r.spans.get(stage, {}) for r in self.receipts) for stage in seconds},
            errors=errors,
            given_up=len(self.given_up),
        )


def _cluster_was_lost(task: object, task_run: object, state: object) -> bool:
    try:
        state.result()  # type: ignore[attr-defined]
    except ClusterLost:
        return True
    except Exception:  # what it is, the task run raises anyway; here only whether to try again
        return False
    return False


@task(
    name="run-wave",
    task_run_name="{wave.name}",
    retries=2,
    retry_delay_seconds=[2, 20],
    retry_condition_fn=_cluster_was_lost,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_wave(wave: Wave, pool: ShardPool, target: str, on_progress: Callable[[int], None]) -> None:
    """Wait for the wave's shards to end; what they came to stands in `wave`, in tables and in an event.

    Only a lost cluster is tried again: the shards that had not ended, on a new session.

    Args:
        wave: How many.
        pool: Where they are done.
        target: The dataset, for the event.
        on_progress: Called with the number of photos just finished.
    """
    begin = time.monotonic()
    try:
        for done in pool.take(wave.left):
            _note(wave, done)
            on_progress(done.job.num_samples)
    except ClusterLost as lost:
        logger.warning("%s; what was under way is begun again, %d shards of this wave are left", lost, wave.left)
        raise
    finally:
        wave.seconds += time.monotonic() - begin
    _tell(wave, target)


def _note(wave: Wave, done: Done) -> None:
    if done.error is not None:
        wave.given_up[done.job.shard_id] = done.error
        logger.error("shard %s given up after %d attempts: %s", done.job.shard_id, done.attempts, done.error)
        return
    wave.receipts.append(join_receipts(done.receipts))
    wave.photos += done.job.num_samples
    wave.nodes |= done.nodes
    if done.attempts > 1 or done.job.quarantine:
        logger.warning(
            "shard %s needed %d attempts, %d photos quarantined",
            done.job.shard_id, done.attempts, len(done.job.quarantine),
        )  # fmt: skip


def _tell(wave: Wave, target: str) -> None:
    """Into log, tables and event: as much for a wave of a hundred photos as for one of ten thousand."""
    facts = wave.facts()
    logger.info(
        "wave %d: %d photos in %.1f s, %.2f photos/s, on %d nodes",
        wave.number, facts.photos, facts.seconds, facts.photos_per_s, len(wave.nodes),
    )  # fmt: skip
    for product, classes in sorted(facts.errors.items()):
        if classes:
            said = ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))
            logger.info("wave %d: rows of %s without result: %s", wave.number, product, said)
    examples = [example for receipt in wave.receipts for example in receipt.examples]
    failed = [example for example in examples if example.status != "skipped"]
    for example in failed[:_SHOWN_ERRORS]:
        logger.warning(
            "%s is %s (%s): %s",
            one_line(example.src_key, 200), example.status, example.error_class, one_line(example.error_message, 300),
        )  # fmt: skip
    if len(failed) > _SHOWN_ERRORS:
        logger.warning("… and more; the run report lists them")
    title = wave.name.capitalize()
    if worth_asking():
        with shown("the wave's tables"):
            create_table_artifact(products_table(facts), key="oodinv-wave", description=title)
            create_table_artifact(stages_table(facts), key="oodinv-wave-stages", description=f"{title}, steps by stage")
    announce(
        "oodinv.wave.committed",
        target,
        {
            "wave": wave.number,
            "shards": len(wave.receipts),
            "given_up": len(wave.given_up),
            "photos": facts.photos,
            "photos_per_s": round(facts.photos_per_s, 3),
            "samples": {product: dict(counts) for product, counts in facts.samples.items()},
            "errors": {product: dict(counts) for product, counts in facts.errors.items()},
        },
    )
