"""The run's report and contact sheet: beside the data, and as artifacts in the UI."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc
from PIL import Image
from prefect import task
from prefect.artifacts import create_image_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from oodinv.engine.settings import RunSettings
from oodinv.engine.sheet import dataset_sheet
from oodinv.ledger.snapshot import Snapshot, read_snapshot
from oodinv.report.contact_sheet import to_jpeg
from oodinv.report.run_report import Failure, RunFacts, run_report
from oodinv.store import Store, open_store

_INLINE_WIDTH = 1200
"""Pixels; keeps the picture in the UI's database at a few hundred kilobytes."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the report lies, as keys of the target."""

    report_key: str
    sheet_key: str | None


@task(name="write-report", cache_policy=NO_CACHE, persist_result=False)
def write_report(run: str, settings: RunSettings, facts: RunFacts, shards: Sequence[str]) -> Written:
    """Write report and contact sheet.

    Args:
        run: Name of the run, a folder under `runs/`.
        settings: Its products.
        facts: What it did.
        shards: The shards whose commits may list previews.
    """
    target = open_store(settings.target, settings.access)
    report = run_report(facts)
    report_key = f"runs/{run}/report.md"
    target.put(report_key, report.encode())
    create_markdown_artifact(report, key="oodinv-run-report", description=f"Run {run}")
    sheet = dataset_sheet(target, settings.products, shards)
    if sheet is None:
        return Written(report_key=report_key, sheet_key=None)
    sheet_key = f"runs/{run}/contact_sheet.jpg"
    target.put(sheet_key, to_jpeg(sheet))
    create_image_artifact(_inline(sheet), key="oodinv-contact-sheet", description=f"Contact sheet of run {run}")
    return Written(report_key=report_key, sheet_key=sheet_key)


def failures(target: Store, settings: RunSettings, snapshot: Snapshot, limit: int = 1000) -> list[Failure]:
    """Photos without result in the faces product or an edit, each once, in the order of their keys."""
    names = [settings.faces.name, *(product.name for product in settings.products)]
    columns = ["product", "src_key", "status", "error_class", "error_message"]
    wanted = [name for name in names if name in snapshot.commits]
    table = read_snapshot(target, products=wanted, number=snapshot.number, columns=columns)
    # A photo with one good face has a result, whatever its other faces came to.
    good = {(row["product"], row["src_key"]) for row in table.filter(pc.equal(table["status"], "ok")).to_pylist()}
    rest = table.filter(pc.not_equal(table["status"], "ok")).to_pylist()
    bad = [row for row in rest if (row["product"], row["src_key"]) not in good]
    first = {row["src_key"]: row for row in reversed(bad)}
    return [
        Failure(key=key, status=row["status"], error_class=row["error_class"], message=row["error_message"] or "")
        for key, row in sorted(first.items())
    ][:limit]


def _inline(sheet: Image.Image) -> str:
    """The sheet as a `data:` address, small enough for the UI."""
    small = sheet.copy()
    small.thumbnail((_INLINE_WIDTH, 10 * _INLINE_WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
