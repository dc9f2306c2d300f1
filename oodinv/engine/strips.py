"""Preview strips as they are stored: finding those of a snapshot's rows, taking them apart."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from oodinv.ledger.commit import Commit, CommitId, CommittedObject, commit_id, read_commit
from oodinv.ledger.layout import attempt_prefix
from oodinv.ledger.snapshot import Snapshot
from oodinv.store import Store

SUFFIX = "-preview.jpg"
COLUMNS = ("photo", "reconstruction", "mask", "result")
TILE = 256
"""Side of each picture, in pixels. Commits of earlier versions hold smaller ones."""


def find_strips(
    target: Store, snapshot: Snapshot, rows: Iterable[Mapping[str, Any]]
) -> dict[tuple[str, str, int], CommittedObject]:
    """The strip that was published with each row.

    A row names its attempt, and only live rows are in a snapshot: strips of replaced photos and of repaired shards'
    earlier commits are never found.

    Args:
        target: The dataset.
        snapshot: The snapshot the rows are of.
        rows: With ``product, sample_id, face_index, shard_id, attempt``.

    Returns:
        (product, sample id, face index) → strip; rows without strip are left out.
    """
    shards: dict[tuple[str, str], list[CommitId]] = {}
    for product, keys in snapshot.commits.items():
        for key in keys:
            found = commit_id(product, key)
            shards.setdefault((product, found.shard_id), []).append(found)
    commits: dict[tuple[str, str], list[Commit]] = {}
    strips = {}
    for row in rows:
        product, shard_id = place = row["product"], row["shard_id"]
        if place not in commits:
            commits[place] = [read_commit(target, found) for found in shards.get(place, ())]
        key = attempt_prefix(product, shard_id, row["attempt"]) + f"{row['sample_id']}-{row['face_index']}{SUFFIX}"
        strip = next((obj for commit in commits[place] for obj in commit.objects if obj.key == key), None)
        if strip:
            strips[product, row["sample_id"], row["face_index"]] = strip
    return strips


def split_strip(strip: UInt8[np.ndarray, "tile four_tiles 3"]) -> dict[str, UInt8[np.ndarray, "tile tile 3"]]:
    """The pictures of a strip by their column, whatever their side."""
    return dict(zip(COLUMNS, np.split(strip, len(COLUMNS), axis=1), strict=True))
