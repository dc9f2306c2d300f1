"""Parts: the rows of one product for one shard, written beside their images, read back verified."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.commit import Commit, CommittedObject, FacesCommit, Member, get_verified
from oodinv.ledger.errors import PartInvalid
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.inventory import Shard
from oodinv.ledger.layout import PART, attempt_prefix
from oodinv.ledger.parquet import from_parquet, to_parquet
from oodinv.ledger.schema import ROW_SCHEMA, rows_to_table
from oodinv.ledger.statuses import count_statuses, sample_statuses
from oodinv.ledger.validate import validate_part
from oodinv.store import Store


def write_object(
    target: Store, *, product: str, shard_id: str, attempt: str, name: str, data: bytes
) -> CommittedObject:
    """Write one image or mask of an attempt.

    Args:
        target: The dataset.
        product: Name of the product.
        shard_id: The shard it belongs to.
        attempt: From ``new_attempt``.
        name: Below the attempt's prefix, of ``[A-Za-z0-9._/-]``; made of sample ids, never of source keys.
        data: Its bytes.

    Returns:
        What the commit must list; its key goes into the row's ``out_key`` or ``mask_key``.
    """
    if name == PART:
        raise ValueError(f"{PART} is written by write_part")
    key = attempt_prefix(product, shard_id, attempt) + name
    target.put(key, data)
    return CommittedObject(key=key, size=len(data), sha256=sha256_hex(data))


def write_part(
    target: Store,
    *,
    product: str,
    shard: Shard,
    attempt: str,
    rows: Iterable[Mapping[str, Any]],
    objects: Sequence[CommittedObject] = (),
    members: Sequence[Member] = (),
    timers: Mapping[str, float] | None = None,
    faces_commit: FacesCommit | None = None,
    generation: int = 0,
    retries: Sequence[int] = (),
) -> Commit:
    """Check the rows, write them, and draw up the commit that ``publish`` takes.

    Args:
        target: The dataset.
        product: Name of the product.
        shard: Its samples; for a repair only the repaired ones.
        attempt: The attempt that wrote ``objects``.
        rows: Fields of ``make_row``, in any order; at least one row for each sample.
        objects: Everything that ``write_object`` returned for this attempt.
        members: What is in those of them that are tars.
        timers: Seconds by stage.
        faces_commit: What an edit was computed from.
        generation: Of the commit: 0, or for a repair one more than the newest.
        retries: Numbers of the demands that a repair answers.

    Raises:
        PartInvalid: The rows must not be committed: wrong values, a sample without row, or an ``out_key`` or
            ``mask_key`` that is not among ``objects``.
    """
    table = validate_part(rows_to_table(rows), product=product, shard=shard)
    broken = list(reference_problems(table, [*objects, *members]))
    if broken:
        raise PartInvalid(f"part of {product}, shard {shard.shard_id}:\n  " + "\n  ".join(broken[:10]))
    data = to_parquet(table)
    key = attempt_prefix(product, shard.shard_id, attempt) + PART
    target.put(key, data)
    part = CommittedObject(key=key, size=len(data), sha256=sha256_hex(data))
    return Commit(
        product=product,
        shard_id=shard.shard_id,
        generation=generation,
        attempt=attempt,
        objects=(*sorted(objects, key=lambda obj: obj.key), part),
        samples=count_statuses(sample_statuses(table).values()),
        faces=count_statuses(table.filter(pc.field("face_index") >= 0)["status"].to_pylist()),
        timers=dict(timers or {}),
        faces_commit=faces_commit,
        retries=tuple(retries),
        members=tuple(sorted(members, key=lambda member: member.key)),
    )


def read_part(target: Store, commit: Commit, columns: list[str] | None = None) -> pa.Table:
    """The rows of a commit, verified against it.

    Args:
        target: The dataset.
        commit: From ``read_commit``.
        columns: These only; all by default.

    Raises:
        LedgerError: The part is gone or other than what was committed.
    """
    return from_parquet(get_verified(target, commit.part), ROW_SCHEMA, commit.part.key, columns)


def reference_problems(table: pa.Table, objects: Sequence[CommittedObject | Member]) -> Iterator[str]:
    """Rows that name an object the commit does not vouch for, or another sample's."""
    known = {obj.key: obj for obj in objects}
    owner: dict[str, str] = {}
    columns = ["sample_id", "face_index", "out_key", "out_bytes", "out_sha256", "mask_key"]
    for row in table.select(columns).to_pylist():
        who = f"sample {row['sample_id']} face {row['face_index']}"
        for column in ("out_key", "mask_key"):
            key = row[column]
            if key is None:
                continue
            if key not in known:
                yield f"{who}: {column} {key!r:.200} is not among the commit's objects"
            elif owner.setdefault(key, row["sample_id"]) != row["sample_id"]:
                yield f"{who}: {column} {key!r:.200} belongs to another sample"
        out = known.get(row["out_key"])
        if out is not None and (out.size, out.sha256) != (row["out_bytes"], row["out_sha256"]):
            yield f"{who}: out_bytes and out_sha256 differ from the object {out.key}"
