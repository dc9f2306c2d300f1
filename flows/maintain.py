"""Keep a dataset in order: check the books, collect garbage, publish a snapshot, report."""

import time

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.maintain_request import MaintainRequest
from flows.s3_access import credentials
from oodinv.ledger.committed import committed_products
from oodinv.ledger.fsck import FsckReport
from oodinv.ledger.garbage import GarbageReport
from oodinv.report.maintenance_report import GarbageFacts, MaintenanceFacts, maintenance_report
from oodinv.store import Access, open_store
from tasks.check_books import check_books
from tasks.collect_garbage import collect_garbage
from tasks.publish_snapshot import publish_snapshot
from tasks.run_logs import library_logs_in_run
from tasks.show import shown


class BooksBroken(Exception):
    """The dataset does not hold what it has published."""


@flow(name="maintain", flow_run_name="maintain {request.target}", persist_result=False)
def maintain(request: MaintainRequest) -> MaintenanceFacts:
    """Check a dataset, count or delete its garbage, and bring its snapshot up to date.

    May run beside a working pipeline. From a dataset with problems nothing is deleted, and nothing is published.

    Raises:
        BooksBroken: Problems were found. The report is written all the same.
    """
    with library_logs_in_run(), credentials(request.credentials_block):
        return _maintain(request)


def _maintain(request: MaintainRequest) -> MaintenanceFacts:
    begin = time.monotonic()
    access = Access(endpoint_url=request.endpoint_url)
    books = check_books(request.target, access, request.deep)
    garbage = snapshot = None
    if books.clean:
        garbage = collect_garbage(request.target, access, request.grace_hours * 3600, request.delete)
        products = committed_products(open_store(request.target, access))
        snapshot = publish_snapshot(request.target, access, products).number if products else None
    facts = _facts(request, books, garbage, snapshot, time.monotonic() - begin)
    with shown("the maintenance report"):
        create_markdown_artifact(
            maintenance_report(facts), key="oodinv-maintenance-report", description=f"Maintenance of {request.target}"
        )
    if not books.clean:
        raise BooksBroken(
            f"{books.num_problems} problems in {books.uri}, first: {books.problems[0]}. Nothing was deleted and no "
            "snapshot published. Bring back what is missing from a backup; the report oodinv-maintenance-report and "
            "`oodinv dataset fsck` list the problems."
        )
    return facts


def _facts(
    request: MaintainRequest, books: FsckReport, garbage: GarbageReport | None, snapshot: int | None, seconds: float
) -> MaintenanceFacts:
    return MaintenanceFacts(
        target=request.target,
        deep=books.deep,
        num_products=books.num_products,
        num_commits=books.num_commits,
        num_objects=books.num_objects,
        problems=books.problems,
        num_problems=books.num_problems,
        num_orphans=books.num_orphans,
        orphan_bytes=books.orphan_bytes,
        garbage=None if garbage is None else _garbage_facts(garbage),
        snapshot=snapshot,
        seconds=seconds,
    )


def _garbage_facts(garbage: GarbageReport) -> GarbageFacts:
    return GarbageFacts(
        grace_hours=garbage.grace_s / 3600,
        delete=garbage.delete,
        candidates=garbage.candidates,
        num_candidates=garbage.num_candidates,
        candidate_bytes=garbage.candidate_bytes,
        num_young=garbage.num_young,
        num_deleted=garbage.num_deleted,
        deleted_bytes=garbage.deleted_bytes,
        foreign=garbage.foreign,
        num_foreign=garbage.num_foreign,
        errors=garbage.errors,
        num_errors=garbage.num_errors,
    )
