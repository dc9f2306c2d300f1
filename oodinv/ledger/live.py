"""Which rows count: the newest generation of each sample, the newest repair of each shard."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.commit import Commit, CommitId, FacesCommit, list_commits, read_commit_bytes
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.inventory import Inventory
from oodinv.ledger.part import read_part
from oodinv.ledger.schema import ROW_SCHEMA
from oodinv.store import Store


def shard_rows(target: Store, commits: Sequence[Commit]) -> pa.Table:
    """The rows of one shard: for each sample those of the newest commit that has any.

    Args:
        target: The dataset.
        commits: All commits of one product for one shard.

    Returns:
        Rows in the order of the samples' keys and faces.
    """
    newest_first = sorted(commits, key=lambda commit: commit.generation, reverse=True)
    kept: list[pa.Table] = []
    seen = pa.array([], pa.string())
    for commit in newest_first:
        part = read_part(target, commit)
        kept.append(part.filter(pc.invert(pc.is_in(part["sample_id"], value_set=seen))))
        seen = pc.unique(pa.concat_arrays([seen, part["sample_id"].combine_chunks()]))
    if len(kept) == 1:
        return kept[0]
    rows = pa.concat_tables([ROW_SCHEMA.empty_table(), *kept])
    return rows.sort_by([("src_key", "ascending"), ("face_index", "ascending")])


def read_shard(target: Store, product: str, shard_id: str) -> tuple[pa.Table, FacesCommit]:
    """What a product holds for one shard; how an edit finds the faces it works from.

    Returns:
        The rows, and the newest commit they come from (what ``write_part`` takes as ``faces_commit``).

    Raises:
        LedgerError: The shard is not committed, or damaged.
    """
    found = list_commits(target, product, shard_id)
    if not found:
        raise LedgerError(f"product {product} has no commit for shard {shard_id} in {target.uri}: compute it first")
    commits = [read_commit_bytes(target, commit) for commit in found]
    newest, sha256 = commits[-1]
    return shard_rows(target, [commit for commit, _ in commits]), FacesCommit(key=newest.key, sha256=sha256)


def by_shard(commits: Sequence[CommitId]) -> Iterator[tuple[str, list[CommitId]]]:
    """Group a listing of ``list_commits``."""
    for shard_id, group in groupby(commits, key=lambda commit: commit.shard_id):
        yield shard_id, list(group)


def replaced_samples(inventory: Inventory, shards: frozenset[str]) -> dict[str, list[str]]:
    """Samples whose rows in a shard don't count, because a newer generation lies in another of the ``shards``.

    Args:
        inventory: Everything dealt.
        shards: The shards to look at: all, or the committed ones, so that a changed photo keeps its old result until
            the new one is there.

    Returns:
        shard_id → sample ids; shards without any are left out.
    """
    replaced: dict[str, list[str]] = {}
    for sample_id, history in inventory.changed.items():
        present = [generation for generation, shard_id in history.items() if shard_id in shards]
        for generation in present:
            if generation < max(present):
                replaced.setdefault(history[generation], []).append(sample_id)
    return replaced


def without_samples(table: pa.Table, sample_ids: Sequence[str]) -> pa.Table:
    """The rows of all other samples."""
    if not sample_ids:
        return table
    return table.filter(pc.invert(pc.is_in(table["sample_id"], value_set=pa.array(sample_ids, pa.string()))))
