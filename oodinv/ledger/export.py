"""A snapshot as WebDataset tars: every picture beside its rows, in few large files.

Members are ``<name>.<extension>`` and ``<name>.json`` (its rows), where the name is that of the picture's object: the
sample's id, with the face's index where every face has a picture of its own. A tar tells nothing of when and where it
was made: the same snapshot gives the same bytes. Photos without result have no picture and stay out; the rows that say
why are in the snapshot.
"""

import datetime
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow.parquet as pq

from oodinv.ledger.commit import get_verified
from oodinv.ledger.snapshot import SnapshotFile, files_of, find_snapshot
from oodinv.ledger.tars import ObjectReader
from oodinv.store import Store

MOST_BYTES = 256 * 2**20
"""Of one tar; one larger picture is alone in its own."""

_ROWS_AT_ONCE = 4096

_COLUMNS_LEFT_OUT = ("out_key", "mask_key")
"""Places in the dataset, which mean nothing outside."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    tars: tuple[str, ...]
    """Keys in the place of export."""
    pictures: int
    skipped: int
    """Tars that were there already, of an export that had been begun."""


def export_webdataset(
    target: Store,
    out: Store,
    *,
    products: Sequence[str] | None = None,
    number: int | None = None,
    masks: bool = False,
    most_bytes: int = MOST_BYTES,
    on_picture: Callable[[], object] = lambda: None,
) -> Exported:
    """Write the pictures of a snapshot as ``<product>/<snapshot>-<index>.tar``.

    What an interrupted export has written is kept: the same call finishes it.

    Args:
        target: The dataset.
        out: Where to; only tars are written there.
        products: Of these products; by default of all that have pictures.
        number: Of this snapshot; of the newest by default.
        masks: Also the masks, as ``<name>.<face>.mask.png``, where they were kept.
        most_bytes: Of one tar.
        on_picture: Called for each.

    Raises:
        LedgerError: No such snapshot or product, or an object is gone or damaged.
        StoreError: The place of export cannot be written.
    """
    snapshot = find_snapshot(target, number)
    objects, tars = ObjectReader(target), list[str]()
    pictures = skipped = 0
    for product, files in groupby(files_of(snapshot, products), key=lambda file: file.product):
        for index, batch in enumerate(_batches(_pictures(target, files), most_bytes)):
            key = f"{product}/{snapshot.number}-{index:05d}.tar"
            tars.append(key)
            pictures += len(batch)
            if _is_there(out, key):
                skipped += 1
            else:
                out.create(key, _tar(objects, batch, masks, on_picture))
    return Exported(tars=tuple(tars), pictures=pictures, skipped=skipped)


_Rows = list[dict[str, Any]]


def _pictures(target: Store, files: Iterator[SnapshotFile]) -> Iterator[_Rows]:
    """The rows of each picture, in the order of the snapshot; a shard's rows are together in one file."""
    for file in files:
        with tempfile.TemporaryFile(prefix="oodinv-export-") as spool:
            spool.write(get_verified(target, file))
            parquet = pq.ParquetFile(spool)
            tables = parquet.iter_batches(_ROWS_AT_ONCE)
            rows = (row for table in tables for row in table.to_pylist() if row["out_key"] is not None)
            for _, same in groupby(rows, key=lambda row: row["out_key"]):
                yield list(same)


def _batches(pictures: Iterator[_Rows], most_bytes: int) -> Iterator[list[_Rows]]:
    batch: list[_Rows] = []
    size = 0
    for rows in pictures:
        added = rows[0]["out_bytes"]
        if batch and size + added > most_bytes:
            yield batch
            batch, size = [], 0
        batch.append(rows)
        size += added
    if batch:
        yield batch


def _is_there(out: Store, key: str) -> bool:
    return any(info.key == key for info in out.list(key))


def _tar(objects: ObjectReader, batch: list[_Rows], masks: bool, on_picture: Callable[[], object]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for rows in batch:
            for name, data in _members(objects, rows, masks):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
            on_picture()
    return buffer.getvalue()


def _members(objects: ObjectReader, rows: _Rows, masks: bool) -> Iterator[tuple[str, bytes]]:
    first = rows[0]
    stem, _, extension = first["out_key"].rpartition("/")[2].rpartition(".")
    yield f"{stem}.{extension}", objects.get_verified(first["out_key"], first["out_bytes"], first["out_sha256"])
    told = [{name: _plain(value) for name, value in row.items() if name not in _COLUMNS_LEFT_OUT} for row in rows]
    yield f"{stem}.json", json.dumps({"rows": told}, sort_keys=True, ensure_ascii=False).encode()
    for row in rows if masks else ():
        if row["mask_key"] is not None:
            yield f"{stem}.{row['face_index']}.mask.png", objects.get(row["mask_key"])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.datetime) else value
