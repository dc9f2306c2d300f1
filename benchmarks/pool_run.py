"""One run of the pool over a folder of photos, with a model that sleeps."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import ray

from benchmarks.processes import actors as actors_below
from benchmarks.processes import below, resident_mb
from benchmarks.stub import BYTES_READ, IdleWorker, StubWorker, stub_settings, write_photos
from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.pool import Pool
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.ledger.inventory import Sample
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.ledger.products import register_product
from oodinv.ledger.snapshot import publish_snapshot
from oodinv.store import open_source, open_store

SHARD = 256
_START_S = 120.0


@dataclass(frozen=True, kw_only=True)
class PoolRun:
    """Actors were started and warm before the clock was."""

    actors: int
    photos: int
    model_ms: float
    """Of one photo."""
    wall_s: float
    """From the first job handed out to the last commit."""
    overhead: float
    """Actors times wall, over the model's seconds: 1 is none."""
    read_share: float
    """Bytes read from the source, over the bytes of the photos, for each of the two stages."""
    cpu_ms: float
    """Processor time for each photo, of everything but this process."""
    stages_ms: dict[str, float]
    """For each photo; those beside the model overlap it."""
    actor_mb: tuple[float, float]
    """Resident memory of the largest actor, after half of the shards and after all of them."""
    stored_bytes: float
    """In Ray's object store, at most."""


def run_pool(folder: Path, actors: int, photos: int, seconds: float) -> PoolRun:
    """Faces and one edit of stub photos, committed in a folder of their own below one; needs a running Ray.

    The folder is the caller's to remove when all has been measured: a file system that has just deleted thousands of
    files makes new ones more slowly.
    """
    source, target = (Path(mkdtemp(dir=folder), name) for name in ("photos", "target"))
    settings = stub_settings(str(source), str(target))
    crew = CrewSettings(make_worker=lambda: StubWorker(settings, seconds), most=actors, num_cpus=0.01)
    pool = Pool([crew])
    try:
        write_photos(source / "a", actors)
        _wait_for(pool, actors)
        for done in pool.run(_jobs(settings, 1)):
            assert done.error is None, done.error
        write_photos(source / "b", photos)
        return _timed(pool, settings, _jobs(settings, SHARD), actors=actors, seconds=seconds)
    finally:
        pool.close()


def _timed(pool: Pool, settings: RunSettings, jobs: Sequence[ShardJob], *, actors: int, seconds: float) -> PoolRun:
    photos, stages = sum(job.num_samples for job in jobs), Counter[str]()
    read, stored, memory = 0, 0.0, []
    before = sum(process.cpu_s for process in below(os.getpid()))
    begin = time.perf_counter()
    for number, done in enumerate(pool.run(jobs), start=1):
        assert done.error is None, done.error
        for receipt in done.receipts:
            stages.update(receipt.timers)
            read += receipt.requests[BYTES_READ]
        stored = max(stored, _stored_bytes())
        if number in (max(1, len(jobs) // 2), len(jobs)):
            memory.append(max(process.resident_mb for process in actors_below(os.getpid())))
    wall = time.perf_counter() - begin
    cpu = sum(process.cpu_s for process in below(os.getpid())) - before
    names = [settings.faces.name, settings.products[0].name]
    snapshot = publish_snapshot(open_store(settings.target), names)
    assert snapshot.samples[names[1]]["ok"] == photos + actors, snapshot.samples
    return PoolRun(
        actors=actors,
        photos=photos,
        model_ms=1000 * seconds,
        wall_s=wall,
        overhead=actors * wall / (photos * seconds),
        read_share=read / 2 / sum(sample.size for job in jobs for sample in job.samples),
        cpu_ms=1000 * cpu / photos,
        stages_ms={stage: 1000 * total / photos for stage, total in stages.most_common()},
        actor_mb=(memory[0], memory[-1]),
        stored_bytes=stored,
    )


def _jobs(settings: RunSettings, shard_size: int) -> list[ShardJob]:
    target, products = open_store(settings.target), (settings.faces, *settings.products)
    inventory = plan_inventory(open_source(settings.source), target, shard_size)
    for product in products:
        register_product(target, product.definition)
    work = missing_work(target, inventory, [product.name for product in products])
    return [
        ShardJob(shard_id=shard, samples=inventory.samples(shard), missing=tuple(missing))
        for shard, missing in work.items()
    ]


def _wait_for(pool: Pool, actors: int) -> None:
    end = time.monotonic() + _START_S
    while pool.num_placed < actors:
        if time.monotonic() > end:
            raise TimeoutError(f"{actors} actors did not start within {_START_S:g} s")
        time.sleep(0.1)


def _stored_bytes() -> float:
    total, free = ray.cluster_resources(), ray.available_resources()
    return total["object_store_memory"] - free.get("object_store_memory", 0.0)


def memory_of_driver(photos: int, shard: int = SHARD) -> tuple[float, float]:
    """Resident MB of this process after a third of the photos and after all of them, by jobs that do nothing.

    The first hundred thousand fill what Ray and Python keep for reuse.
    """
    from flows.waves import Totals
    from oodinv.engine.receipt import join_receipts
    from tasks.run_wave import Wave

    pool = Pool([CrewSettings(make_worker=IdleWorker, most=2, num_cpus=0.01)])
    jobs = (
        ShardJob(shard_id=f"1-{number:06d}", samples=_samples(number, shard), missing=("faces-1", "smile-1"))
        for number in range(photos // shard)
    )
    totals, memory = Totals(), []
    wave = Wave(number=1, of=1, size=photos // shard)
    for number, done in enumerate(pool.run(jobs), start=1):
        wave.receipts.append(join_receipts(done.receipts))
        if number % 16 == 0:
            totals.add(wave, 2)
            wave = replace(wave, receipts=[])
        if number in (photos // shard // 3, photos // shard):
            memory.append(resident_mb(os.getpid()))
    pool.close()
    return memory[0], memory[1]


def _samples(number: int, count: int) -> tuple[Sample, ...]:
    same: dict[str, Any] = {"etag": "e" * 32, "size": 50_000, "generation": 0, "shard_id": f"1-{number:06d}"}
    return tuple(Sample(key=f"photos/{number:06d}/{index:06d}.jpg", **same) for index in range(count))
