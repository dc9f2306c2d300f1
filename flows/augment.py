"""Photos in, edited photos and Parquet out: plan, waves of shards, snapshot, report."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.runtime import flow_run
from tqdm import tqdm

from flows.prepare import num_workers, prepare
from flows.request import AugmentRequest
from oodinv.cluster.local import local_ray
from oodinv.cluster.pool import PoolSettings
from oodinv.cluster.shard_pool import shard_pool
from oodinv.engine.previewed import preview_samples, preview_shards
from oodinv.engine.settings import RunSettings
from oodinv.engine.worker import Receipt
from oodinv.report.run_report import RunFacts
from oodinv.store import open_store
from tasks.plan import Plan, plan
from tasks.publish_snapshot import publish_snapshot
from tasks.run_wave import WaveResult, run_wave
from tasks.write_report import failures, write_report

_PROGRESS_EVERY_S = 5.0


class NothingDone(Exception):
    """Every shard failed in all its attempts, so there is nothing to publish."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What the command line prints."""

    target: str
    shards_done: int
    shards_before: int
    photos_done: int
    num_inputs: int
    samples: dict[str, dict[str, int]]
    """Product → status → samples, over the whole dataset."""
    failed_share: float
    """Largest share of failed or quarantined samples of any product."""
    given_up: dict[str, str]
    report_key: str | None
    sheet_key: str | None
    snapshot: int | None
    seconds: float


@dataclass
class _Tally:
    """What the waves came to."""

    receipts: list[Receipt] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)
    stages: Counter[str] = field(default_factory=Counter)
    photos: int = 0

    def add(self, wave: WaveResult, photos: int) -> None:
        self.receipts += wave.receipts
        self.given_up |= wave.given_up
        self.photos += photos
        for receipt in wave.receipts:
            self.stages.update(receipt.timers)


@flow(name="augment", flow_run_name="augment {request.target}", persist_result=False)
def augment(request: AugmentRequest) -> RunSummary:
    """Edit every face of every photo in a folder.

    The flow is idempotent: what is committed in the target is not done again, whoever did it and when; a run that was
    killed anywhere is finished by running it again.
    """
    begin = time.monotonic()
    settings = prepare(request)
    work = plan(settings, request.shard_size)
    before = len(work.inventory.live_shards()) - work.num_shards
    previews = preview_samples(work.inventory)
    tally = _run_waves(request, replace(settings, previews=previews), work)
    if tally.given_up and not tally.receipts and not before:
        raise NothingDone(f"no shard could be done; the first said: {next(iter(tally.given_up.values()))}")
    snapshot = publish_snapshot(
        settings.target, settings.access, [settings.faces.name, *(p.name for p in settings.products)]
    )
    facts = RunFacts(
        source=request.source,
        target=request.target,
        bundle=request.bundle,
        num_inputs=snapshot.num_inputs,
        samples={p.name: snapshot.samples.get(p.name, {}) for p in (settings.faces, *settings.products)},
        shards_done=len(tally.receipts),
        shards_before=before,
        photos_done=tally.photos,
        seconds=time.monotonic() - begin,
        stages=dict(tally.stages.most_common()),
        failures=failures(open_store(settings.target, settings.access), settings, snapshot),
        given_up=tally.given_up,
    )
    written = write_report(flow_run.get_id() or "run", settings, facts, preview_shards(work.inventory, previews))
    return RunSummary(
        target=request.target,
        shards_done=facts.shards_done,
        shards_before=before,
        photos_done=tally.photos,
        num_inputs=snapshot.num_inputs,
        samples={name: dict(counts) for name, counts in facts.samples.items()},
        failed_share=_failed_share(facts),
        given_up=tally.given_up,
        report_key=written.report_key,
        sheet_key=written.sheet_key,
        snapshot=snapshot.number,
        seconds=time.monotonic() - begin,
    )


def _run_waves(request: AugmentRequest, settings: RunSettings, work: Plan) -> _Tally:
    """All shards that lack something, wave by wave, on actors that stay warm between waves."""
    tally = _Tally()
    if not work.missing:
        return tally
    size = min(num_workers(request), work.num_shards)
    # Prefect's functions are typed for both kinds of caller; in a sync flow they return the id itself.
    artifact = cast(
        UUID, create_progress_artifact(progress=0.0, key="oodinv-progress", description="Photos done in this run")
    )
    with (
        local_ray(size),
        tqdm(total=work.num_samples, unit="photo", desc="photos") as bar,
    ):
        pool = shard_pool(settings, PoolSettings(size=size))
        try:
            shown = time.monotonic()

            def on_progress(photos: int) -> None:
                nonlocal shown
                bar.update(photos)
                if time.monotonic() - shown > _PROGRESS_EVERY_S:
                    update_progress_artifact(artifact, progress=100 * bar.n / work.num_samples)
                    shown = time.monotonic()

            for number, shards in enumerate(_chunks(list(work.missing), request.wave_shards), start=1):
                jobs = [work.job(shard) for shard in shards]
                names = shards[0] if len(shards) == 1 else f"{shards[0]} … {shards[-1]}"
                begin = time.monotonic()
                wave = run_wave(number, names, jobs, pool, on_progress)
                photos = sum(len(job.samples) for job in jobs if job.shard_id not in wave.given_up)
                tally.add(wave, photos)
                create_table_artifact(
                    _wave_table(wave, photos, time.monotonic() - begin),
                    key="oodinv-wave",
                    description=f"Wave {number}: {names}",
                )
        finally:
            pool.close()
    update_progress_artifact(artifact, progress=100.0)
    return tally


def _wave_table(wave: WaveResult, photos: int, seconds: float) -> list[dict[str, Any]]:
    """One row per product: samples by status, speed, the most frequent error classes."""
    errors: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    for receipt in wave.receipts:
        errors.update(receipt.errors)
        for product, samples in receipt.samples.items():
            counts.setdefault(product, Counter()).update(samples)
    top = ", ".join(f"{name} {count}" for name, count in errors.most_common(3))
    return [
        {"product": product}
        | {status: samples.get(status, 0) for status in ("ok", "skipped", "failed", "quarantined")}
        | {"photos/s": round(photos / max(seconds, 1e-3), 2), "top errors": top, "given up": len(wave.given_up)}
        for product, samples in counts.items()
    ]


def _failed_share(facts: RunFacts) -> float:
    bad = [counts.get("failed", 0) + counts.get("quarantined", 0) for counts in facts.samples.values()]
    return max(bad, default=0) / max(facts.num_inputs, 1)


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
