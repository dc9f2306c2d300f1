"""The run's report, contact sheet and gallery: beside the data, and as an artifact in the UI."""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc
from PIL import Image
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from oodinv.engine.gallery import dataset_gallery
from oodinv.engine.settings import RunSettings
from oodinv.engine.sheet import dataset_sheet
from oodinv.ledger.snapshot import Snapshot, read_snapshot
from oodinv.report.contact_sheet import to_jpeg
from oodinv.report.gallery import GalleryFacts
from oodinv.report.run_report import Failure, RunFacts, run_report
from oodinv.store import Store, open_store
from tasks.show import shown

_INLINE_WIDTH = 1200
"""Pixels; keeps the picture in the UI's database at a few hundred kilobytes."""
_LISTED = 1000


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the report lies, as keys of the target."""

    report_key: str
    sheet_key: str | None
    gallery_key: str | None


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Photos without result, each once."""

    listed: list[Failure]
    """The first by key."""
    classes: dict[str, int]
    """Error class → photos, of all."""


@task(name="write-report", cache_policy=NO_CACHE, persist_result=False)
def write_report(
    run: str, settings: RunSettings, facts: RunFacts, shards: Sequence[str], link_base: str | None = None
) -> Written:
    """Write report, contact sheet and gallery.

    Args:
        run: Name of the run, a folder under `runs/`.
        settings: Its products.
        facts: What it did.
        shards: The shards whose commits may list previews; none shows no faces.
        link_base: Address under which people can open the target's objects.
    """
    target = open_store(settings.target, settings.access)
    folder = f"runs/{run}"
    sheet = dataset_sheet(target, settings.products, shards) if shards else None
    sheet_key = gallery_key = None
    links: dict[str, str] = {}
    if sheet is not None:
        sheet_key, gallery_key = f"{folder}/contact_sheet.jpg", f"{folder}/gallery.html"
        target.put(sheet_key, to_jpeg(sheet))
        target.put(gallery_key, dataset_gallery(target, facts=_gallery_facts(facts)).encode())
        links = {"gallery": _place(settings.target, gallery_key, link_base)}
        links["contact sheet"] = _place(settings.target, sheet_key, link_base)
    report_key = f"{folder}/report.md"
    links["rows"] = _place(settings.target, "latest.json", None)
    report = run_report(facts, links)
    target.put(report_key, report.encode())
    with shown("the run report"):
        picture = f"\n\n![contact sheet]({_inline(sheet)})\n" if sheet is not None else ""
        create_markdown_artifact(
            report.replace("\n## Samples", picture + "\n## Samples", 1),
            key="oodinv-run-report",
            description=f"Run {run}",
        )
    return Written(report_key=report_key, sheet_key=sheet_key, gallery_key=gallery_key)


def failures(target: Store, settings: RunSettings, snapshot: Snapshot) -> Failures:
    """Photos without result in the faces product or an edit, in the order of their keys."""
    names = [settings.faces.name, *(product.name for product in settings.products)]
    columns = ["product", "src_key", "status", "error_class", "error_message"]
    wanted = [name for name in names if name in snapshot.commits]
    table = read_snapshot(target, products=wanted, number=snapshot.number, columns=columns)
    # A photo with one good face has a result, whatever its other faces came to.
    good = {(row["product"], row["src_key"]) for row in table.filter(pc.equal(table["status"], "ok")).to_pylist()}
    rest = table.filter(pc.not_equal(table["status"], "ok")).to_pylist()
    bad = [row for row in rest if (row["product"], row["src_key"]) not in good]
    first: Mapping[str, dict[str, str]] = {row["src_key"]: row for row in reversed(bad)}
    listed = [
        Failure(key=key, status=row["status"], error_class=row["error_class"], message=row["error_message"] or "")
        for key, row in sorted(first.items())[:_LISTED]
    ]
    return Failures(listed=listed, classes=dict(Counter(row["error_class"] for row in first.values())))


def _place(target: str, key: str, link_base: str | None) -> str:
    return f"{(link_base or target).rstrip('/')}/{key}"


def _gallery_facts(facts: RunFacts) -> GalleryFacts:
    pairs = [
        ("photos in this run", str(facts.photos_done)),
        ("skipped because done", str(facts.photos_before)),
        ("seconds", f"{facts.seconds:.1f}"),
        ("photos/s", f"{facts.photos_done / facts.seconds:.2f}" if facts.seconds else "–"),
    ]
    return GalleryFacts(pairs=pairs)


def _inline(sheet: Image.Image) -> str:
    """The sheet as a `data:` address, small enough for the UI."""
    small = sheet.copy()
    small.thumbnail((_INLINE_WIDTH, 10 * _INLINE_WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
