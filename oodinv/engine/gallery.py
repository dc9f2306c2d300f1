"""The gallery of a dataset, from its newest snapshot and the preview strips its commits list."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from oodinv.engine.previewed import MAX_PREVIEWS, preview_samples
from oodinv.engine.strips import find_strips, split_strip
from oodinv.engine.without_result import COLUMNS as REASON_COLUMNS
from oodinv.engine.without_result import WithoutResult
from oodinv.ledger.commit import CommittedObject, get_verified
from oodinv.ledger.inventory import load_inventory
from oodinv.ledger.parquet import from_parquet
from oodinv.ledger.schema import ROW_SCHEMA
from oodinv.ledger.snapshot import Snapshot, latest_snapshot
from oodinv.report.contact_sheet import to_jpeg
from oodinv.report.gallery import FaceCard, FaceEdit, Gallery, GalleryFacts, ProductCounts, gallery_page
from oodinv.store import Store

_FACES = "faces"
_NUMBERS = ("ood_area", "recon_psnr", "id_similarity")
_COLUMNS = ["product", *REASON_COLUMNS, "shard_id", "attempt", "face_index", "num_faces", *_NUMBERS]
_QUALITY = 80
# A mask is smooth: half the side says the same.
_MASK_SIDE = 128

_PART_OF_SLUG = re.compile(r"([a-z][a-z0-9_]*)_([pm])(\d+\.\d\d)")


def dataset_gallery(target: Store, *, facts: GalleryFacts | None = None) -> str:
    """The gallery of a dataset as one HTML page.

    Args:
        target: The dataset.
        facts: Title and numbers that only the caller knows.

    Returns:
        The page; the same snapshot and facts give the same bytes.

    Raises:
        LedgerError: No dataset there, or it is damaged.
    """
    return gallery_page(collect_gallery(target, facts=facts))


def collect_gallery(target: Store, *, facts: GalleryFacts | None = None, limit: int = MAX_PREVIEWS) -> Gallery:
    """What the page shows: everything is taken from the newest snapshot, so only live results appear.

    Memory: the rows of one of the snapshot's files, and the pictures.

    Args:
        target: The dataset.
        facts: As in ``dataset_gallery``.
        limit: Most faces.

    Raises:
        LedgerError: As ``dataset_gallery``.
    """
    facts = facts or GalleryFacts()
    title = facts.title or target.uri.rstrip("/").rsplit("/", 1)[-1] or "dataset"
    inventory = load_inventory(target)
    snapshot = latest_snapshot(target)
    if snapshot is None:
        return Gallery(title=title, num_inputs=inventory.num_samples, snapshot=None, facts=facts.pairs)
    labels = _labels(list(snapshot.commits))
    edits = [product for product in labels if _slug(product) != _FACES]
    without = WithoutResult(edits={product: index for index, product in enumerate(edits)})
    previews = pa.array(sorted(preview_samples(inventory)), pa.string())
    rows: list[dict[str, Any]] = []
    for file in snapshot.files:
        table = from_parquet(get_verified(target, file), ROW_SCHEMA, file.key, _COLUMNS)
        without.add(file.product, table)
        rows += table.filter(pc.is_in(table["sample_id"], value_set=previews)).to_pylist()
    failures, unlisted = without.listed()
    return Gallery(
        title=title,
        num_inputs=snapshot.num_inputs,
        snapshot=snapshot.number,
        facts=facts.pairs,
        products=[
            ProductCounts(label=label, name=product, samples=snapshot.samples[product])
            for product, label in labels.items()
        ],
        edits=[labels[product] for product in edits],
        faces=_faces(target, snapshot, rows, edits, limit),
        failures=failures,
        unlisted=unlisted,
    )


def _slug(product: str) -> str:
    return product.rpartition("-")[0]


def _labels(products: Sequence[str]) -> dict[str, str]:
    """Each product's name for people, the faces first; the hash is shown where two would share one."""
    slugs = [_slug(product) for product in products]
    ordered = sorted(products, key=lambda product: (_slug(product) != _FACES, product))
    return {
        product: _readable(_slug(product)) + (f" {product[-8:]}" if slugs.count(_slug(product)) > 1 else "")
        for product in ordered
    }


def _readable(slug: str) -> str:
    """``age_m1.00-smile_p1.50`` as ``age −1, smile +1.5``; any other slug as it is."""
    parts = [_PART_OF_SLUG.fullmatch(part) for part in slug.split("-")]
    if not all(parts):
        return slug
    return ", ".join(f"{part[1]} {'−' if part[2] == 'm' else '+'}{float(part[3]):g}" for part in parts if part)


def _faces(
    target: Store, snapshot: Snapshot, rows: Sequence[Mapping[str, Any]], edits: Sequence[str], limit: int
) -> list[FaceCard]:
    """The faces with the smallest ids that have a strip in any edit, by key."""
    strips = find_strips(target, snapshot, [row for row in rows if row["product"] in edits and row["status"] == "ok"])
    chosen = sorted({(sample, face) for _, sample, face in strips})[:limit]
    by_place = {(row["product"], row["sample_id"], row["face_index"]): row for row in rows}
    cards = [
        _card(target, sample, face, {product: strips.get((product, sample, face)) for product in edits}, by_place)
        for sample, face in chosen
    ]
    return sorted(cards, key=lambda card: (card.key, card.face_index))


def _card(
    target: Store,
    sample: str,
    face: int,
    strips: Mapping[str, CommittedObject | None],
    rows: Mapping[tuple[str, str, int], Mapping[str, Any]],
) -> FaceCard:
    pictures = {product: _pictures(target, strip) for product, strip in strips.items() if strip}
    first = next(iter(pictures))
    row = rows[first, sample, face]
    return FaceCard(
        key=row["src_key"],
        sample_id=sample,
        face_index=face,
        num_faces=row["num_faces"],
        photo=pictures[first]["photo"],
        reconstruction=pictures[first]["reconstruction"],
        edits=[
            # A photo that failed as a whole has one row, for all of its faces.
            _edit(rows.get((product, sample, face)) or rows.get((product, sample, -1)), pictures.get(product, {}))
            for product in strips
        ],
    )


def _edit(row: Mapping[str, Any] | None, pictures: Mapping[str, bytes]) -> FaceEdit:
    if row is None:
        return FaceEdit(status="pending")
    if row["status"] != "ok":
        said = [text for text in (row["error_class"], row["error_message"]) if text]
        return FaceEdit(status=row["status"], reason=": ".join(said))
    numbers = {name: row[name] for name in _NUMBERS}
    return FaceEdit(status="ok", result=pictures.get("result"), mask=pictures.get("mask"), **numbers)


def _pictures(target: Store, strip: CommittedObject) -> dict[str, bytes]:
    """The pictures of a strip, each as JPEG, the mask small and grey."""
    pixels = np.asarray(Image.open(io.BytesIO(get_verified(target, strip)), formats=("JPEG",)))
    tiles = {name: Image.fromarray(np.ascontiguousarray(tile)) for name, tile in split_strip(pixels).items()}
    tiles["mask"] = tiles["mask"].convert("L").resize((_MASK_SIDE, _MASK_SIDE), Image.Resampling.BOX)
    return {name: to_jpeg(tile, quality=_QUALITY) for name, tile in tiles.items()}
