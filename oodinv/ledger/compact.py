"""Compacting: the live rows of one product, shard by shard, into few files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.commit import CommitId, CommittedObject, read_commit_bytes
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.inventory import Inventory
from oodinv.ledger.live import by_shard, replaced_samples, shard_rows, without_samples
from oodinv.ledger.parquet import to_parquet
from oodinv.ledger.statuses import count_statuses, sample_statuses
from oodinv.store import Store


@dataclass(frozen=True, kw_only=True)
class CompactedProduct:
    """One product's live rows, written."""

    files: tuple[tuple[CommittedObject, int], ...]
    """Each file with its number of rows."""

    commits: Mapping[str, str]
    """Key of each commit that was read → SHA-256."""

    samples: Mapping[str, int]
    faces: Mapping[str, int]


def compact_product(
    target: Store, inventory: Inventory, commits: Sequence[CommitId], *, prefix: str, rows_per_file: int
) -> CompactedProduct:
    """Read all parts of a product and write its live rows.

    Memory: the rows of one file and one shard.

    Args:
        target: The dataset.
        inventory: Read after ``commits`` were listed.
        commits: All commits of the product, as ``list_commits`` orders them.
        prefix: Files become ``<prefix>-<index>.parquet``.
        rows_per_file: Most rows of a file, except that a shard is not divided.
    """
    read: dict[str, str] = {}
    statuses: dict[str, int] = count_statuses(())
    faces: dict[str, int] = count_statuses(())
    files: list[tuple[CommittedObject, int]] = []
    waiting: list[pa.Table] = []

    def flush() -> None:
        rows = pa.concat_tables(waiting)
        data = to_parquet(rows)
        key = f"{prefix}-{len(files):05d}.parquet"
        target.put(key, data)
        files.append((CommittedObject(key=key, size=len(data), sha256=sha256_hex(data)), rows.num_rows))
        waiting.clear()

    for rows in live_rows(target, inventory, commits, read):
        _add(statuses, count_statuses(sample_statuses(rows).values()))
        _add(faces, count_statuses(rows.filter(pc.field("face_index") >= 0)["status"].to_pylist()))
        if waiting and sum(table.num_rows for table in waiting) + rows.num_rows > rows_per_file:
            flush()
        waiting.append(rows)
    if waiting:
        flush()
    return CompactedProduct(files=tuple(files), commits=read, samples=statuses, faces=faces)


def live_rows(
    target: Store, inventory: Inventory, commits: Sequence[CommitId], read: dict[str, str]
) -> Iterator[pa.Table]:
    """The live rows of each committed shard; notes every commit's hash in ``read``."""
    replaced = replaced_samples(inventory, frozenset(commit.shard_id for commit in commits))
    for shard_id, ids in by_shard(commits):
        pairs = [read_commit_bytes(target, found) for found in ids]
        read.update((commit.key, sha256) for commit, sha256 in pairs)
        yield without_samples(shard_rows(target, [commit for commit, _ in pairs]), replaced.get(shard_id, []))


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for status, count in more.items():
        total[status] += count
