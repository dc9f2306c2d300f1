"""Photos in, edited photos and Parquet out: plan, waves of shards, snapshot, report."""

import time
from dataclasses import replace

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from flows.dry_run import dry_run
from flows.prepare import prepare
from flows.request import AugmentRequest
from flows.s3_access import credentials
from flows.summary import NothingDone, RunSummary, ShardsGivenUp, TooManyFailed
from flows.waves import Totals, run_waves
from oodinv.engine.previewed import preview_samples, preview_shards
from oodinv.engine.settings import RunSettings
from oodinv.ledger.snapshot import Snapshot
from oodinv.report.run_report import RunFacts
from oodinv.store import open_store
from tasks.plan import Plan, plan
from tasks.publish_snapshot import publish_snapshot
from tasks.reconcile import reconcile
from tasks.run_logs import library_logs_in_run
from tasks.show import announce, shown
from tasks.write_report import Written, failures, write_report

_finished: list[RunSummary] = []


def last_summary() -> RunSummary | None:
    """What the last run of this process came to, even if its state could not be told to the server any more."""
    return _finished[-1] if _finished else None


@flow(name="augment", flow_run_name="augment {request.target}", persist_result=False)
def augment(request: AugmentRequest) -> RunSummary | None:
    """Edit every face of every photo in a bucket or folder.

    Running it again continues where it stopped and does only what is new: new and changed photos, added edits. What is
    committed in the target is not done twice, whoever did it and when. A run that was killed anywhere is finished by
    running it again.
    """
    _finished.clear()
    with library_logs_in_run(), credentials(request.credentials_block):
        if request.dry_run:
            with shown("the plan"):
                create_markdown_artifact(f"```\n{dry_run(request)}\n```", key="oodinv-plan", description="Dry run")
            return None
        reconcile()
        summary = _run(request)
        _finished[:] = [summary]
        judge(request, summary)
        return summary


def _run(request: AugmentRequest) -> RunSummary:
    begin = time.monotonic()
    settings = prepare(request)
    work = plan(settings, request.shard_size, list_source=request.list_source)
    previews = preview_samples(work.inventory) if request.show_faces else frozenset()
    totals = run_waves(request, replace(settings, previews=previews), work)
    if totals.given_up and not totals.shards and not work.shards_before:
        raise NothingDone(f"no shard could be done; the first said: {next(iter(totals.given_up.values()))}")
    products = [settings.faces.name, *(product.name for product in settings.products)]
    snapshot = publish_snapshot(settings.target, settings.access, products)
    facts = _facts(request, settings, work, totals, snapshot, time.monotonic() - begin)
    shards = preview_shards(work.inventory, preview_samples(work.inventory)) if request.show_faces else ()
    written = write_report(flow_run.get_id() or "run", settings, facts, shards, request.link_base)
    summary = _summary(request, facts, snapshot, written, time.monotonic() - begin)
    announce(
        "oodinv.run.finished",
        request.target,
        {
            "photos": facts.photos_done,
            "seconds": round(facts.seconds, 1),
            "shards": facts.shards_done,
            "given_up": len(facts.given_up),
            "samples": summary.samples,
            "snapshot": snapshot.number,
            "report": written.report_key,
        },
    )
    return summary


def judge(request: AugmentRequest, summary: RunSummary) -> None:
    """A run with too many failures ends as failed, in the UI and on the command line.

    Raises:
        ShardsGivenUp, TooManyFailed: It did.
    """
    if summary.given_up:
        raise ShardsGivenUp(
            f"{len(summary.given_up)} shards were given up; run it again to try them anew. The first said: "
            f"{next(iter(summary.given_up.values()))}",
            summary,
        )
    if summary.failed_share > request.max_failed_share:
        raise TooManyFailed(
            f"{summary.failed_share:.1%} of the photos failed, more than max_failed_share "
            f"{request.max_failed_share:.1%}; the report lists them",
            summary,
        )


def _facts(
    request: AugmentRequest, settings: RunSettings, work: Plan, totals: Totals, snapshot: Snapshot, seconds: float
) -> RunFacts:
    bad = failures(open_store(settings.target, settings.access), settings, snapshot)
    return RunFacts(
        source=request.source,
        target=request.target,
        bundle=request.bundle,
        num_inputs=snapshot.num_inputs,
        samples={p.name: snapshot.samples.get(p.name, {}) for p in (settings.faces, *settings.products)},
        shards_done=totals.shards,
        shards_before=work.shards_before,
        photos_done=totals.photos,
        photos_before=work.photos_before,
        seconds=seconds,
        stages=totals.stages(),
        spans=totals.spans(),
        actors=totals.actors,
        nodes=len(totals.nodes),
        usage=totals.usage(),
        prices=request.prices.for_report(),
        objects=totals.objects,
        failures=bad.listed,
        failure_classes=bad.classes,
        given_up=totals.given_up,
    )


def _summary(
    request: AugmentRequest, facts: RunFacts, snapshot: Snapshot, written: Written, seconds: float
) -> RunSummary:
    bad = [counts.get("failed", 0) + counts.get("quarantined", 0) for counts in facts.samples.values()]
    return RunSummary(
        target=request.target,
        shards_done=facts.shards_done,
        shards_before=facts.shards_before,
        photos_done=facts.photos_done,
        num_inputs=snapshot.num_inputs,
        samples={name: dict(counts) for name, counts in facts.samples.items()},
        failed_share=max(bad, default=0) / max(facts.num_inputs, 1),
        given_up=dict(facts.given_up),
        report_key=written.report_key,
        sheet_key=written.sheet_key,
        gallery_key=written.gallery_key,
        snapshot=snapshot.number,
        seconds=seconds,
    )
