"""Snapshots: the metadata of everything committed, compacted to few files. What readers read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from oodinv.ledger.commit import CommitId, CommittedObject, get_verified, list_commits
from oodinv.ledger.compact import compact_product
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import SCHEMA_VERSION, canonical_json, new_attempt
from oodinv.ledger.inventory import load_inventory
from oodinv.ledger.numbered import create_until_known, numbers
from oodinv.ledger.parquet import from_parquet
from oodinv.ledger.schema import ROW_SCHEMA
from oodinv.store import ObjectMissing, Store

PREFIX, SUFFIX = "snapshots/", ".json"
LATEST = "latest.json"

_MAX_RACES = 100


@dataclass(frozen=True, kw_only=True)
class SnapshotFile(CommittedObject):
    """A Parquet file of rows of one product."""

    product: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A list of commits and their live rows. Never changes once published."""

    number: int
    attempt: str
    files: tuple[SnapshotFile, ...]
    """Rows ordered by product, shard, key, face."""

    commits: Mapping[str, Mapping[str, str]]
    """product → key of each of its commits → SHA-256."""

    samples: Mapping[str, Mapping[str, int]]
    """product → samples by status."""

    faces: Mapping[str, Mapping[str, int]]
    """product → face rows by status."""

    num_inputs: int
    """Inputs in the inventory; those that a product has no rows for are pending."""

    schema_version: int = SCHEMA_VERSION

    @property
    def key(self) -> str:
        """``snapshots/<n>.json``."""
        return f"{PREFIX}{self.number}{SUFFIX}"


def publish_snapshot(target: Store, products: Sequence[str], *, rows_per_file: int = 100_000) -> Snapshot:
    """Compact what is committed now; nothing new since the last snapshot writes nothing.

    Products of the last snapshot stay in, so that a run with one more edit does not hide the others. Two publishers
    at once are safe: the number decides, the slower one looks again.

    Args:
        target: The dataset.
        products: Names of products to take in.
        rows_per_file: Most rows of one file; bounds memory.

    Returns:
        The new snapshot, or the last one if it holds these commits already.

    Raises:
        LedgerError: Nothing is committed, or published objects are gone or damaged.
    """
    for _ in range(_MAX_RACES):
        # In this order: whoever publishes after our look at the commits takes our number, so no snapshot ever holds
        # less than the one before; and every listed commit's shard is in the inventory that is read after it.
        last = latest_snapshot(target)
        commits = _list_all(target, products, last)
        if last and _keys(commits) == {product: set(keys) for product, keys in last.commits.items()}:
            _point_to(target, last)
            return last
        snapshot = _compact(target, commits, number=last.number + 1 if last else 1, rows_per_file=rows_per_file)
        data = canonical_json(asdict(snapshot))
        if create_until_known(target, snapshot.key, data) or target.get(snapshot.key) == data:
            _point_to(target, snapshot)
            return snapshot
    raise LedgerError(
        f"{_MAX_RACES} times another publisher was faster on {target.uri}: let one finish, then run again"
    )


def latest_snapshot(target: Store) -> Snapshot | None:
    """The snapshot with the highest number; None before the first."""
    found = numbers(target, PREFIX, SUFFIX)
    return load_snapshot(target, found[-1]) if found else None


def load_snapshot(target: Store, number: int) -> Snapshot:
    """One snapshot.

    Raises:
        LedgerError: There is none of this number, or it is not readable.
    """
    key = f"{PREFIX}{number}{SUFFIX}"
    try:
        fields = json.loads(target.get(key))
        files = tuple(SnapshotFile(**file) for file in fields.pop("files"))
        snapshot = Snapshot(**fields, files=files)
    except ObjectMissing as error:
        raise LedgerError(f"no snapshot {number} in {target.uri}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"{key} in {target.uri} is no readable snapshot: {str(error)[:200]}") from error
    if snapshot.key != key or snapshot.schema_version != SCHEMA_VERSION:
        raise LedgerError(
            f"{key} in {target.uri} holds snapshot {snapshot.number} of schema version {snapshot.schema_version}, "
            f"this program reads version {SCHEMA_VERSION}: use the version that wrote it"
        )
    return snapshot


def read_snapshot(
    target: Store, *, products: Sequence[str] | None = None, number: int | None = None, columns: list[str] | None = None
) -> pa.Table:
    """The rows of a snapshot, verified.

    Args:
        target: The dataset.
        products: Of these products; of all by default.
        number: Of this snapshot; of the newest by default.
        columns: These columns; all by default.

    Returns:
        Rows of ROW_SCHEMA, ordered by product, shard, key and face.

    Raises:
        LedgerError: No such snapshot or product, or a file is gone or damaged.
    """
    snapshot = find_snapshot(target, number)
    tables = [
        from_parquet(get_verified(target, file), ROW_SCHEMA, file.key, columns) for file in files_of(snapshot, products)
    ]
    empty = ROW_SCHEMA.empty_table()
    return pa.concat_tables([empty.select(columns) if columns else empty, *tables])


def find_snapshot(target: Store, number: int | None = None) -> Snapshot:
    """A snapshot by number, or the newest.

    Raises:
        LedgerError: There is none, or it is not readable.
    """
    snapshot = latest_snapshot(target) if number is None else load_snapshot(target, number)
    if snapshot is None:
        raise LedgerError(f"no snapshot in {target.uri}: run `oodinv augment` to the end first")
    return snapshot


def files_of(snapshot: Snapshot, products: Sequence[str] | None = None) -> list[SnapshotFile]:
    """The files of some products, or of all, in the snapshot's order.

    Raises:
        LedgerError: The snapshot has no such product.
    """
    unknown = [product for product in products or () if product not in snapshot.commits]
    if unknown:
        raise LedgerError(f"snapshot {snapshot.number} has no product {unknown}: it has {sorted(snapshot.commits)}")
    return [file for file in snapshot.files if products is None or file.product in products]


def _list_all(target: Store, products: Sequence[str], last: Snapshot | None) -> dict[str, list[CommitId]]:
    """The commits of all products concerned, at least those of the last snapshot."""
    before = last.commits if last else {}
    commits = {product: list_commits(target, product) for product in sorted({*products, *before})}
    if not any(commits.values()):
        raise LedgerError(f"nothing is committed in {target.uri} for {sorted(commits)}: there is nothing to snapshot")
    found = _keys(commits)
    gone = [key for product, keys in before.items() for key in keys if key not in found[product]]
    if gone:
        raise LedgerError(f"{len(gone)} published commits are gone from {target.uri}, first {gone[0]}: restore them")
    return commits


def _keys(commits: Mapping[str, Sequence[CommitId]]) -> dict[str, set[str]]:
    return {product: {commit.key for commit in found} for product, found in commits.items()}


def _compact(target: Store, commits: Mapping[str, Sequence[CommitId]], *, number: int, rows_per_file: int) -> Snapshot:
    inventory = load_inventory(target)
    attempt = new_attempt()
    done = {
        product: compact_product(
            target, inventory, found, prefix=f"{PREFIX}data/{attempt}/{product}", rows_per_file=rows_per_file
        )
        for product, found in commits.items()
    }
    return Snapshot(
        number=number,
        attempt=attempt,
        files=tuple(
            SnapshotFile(**asdict(obj), product=product, rows=rows)
            for product, compacted in done.items()
            for obj, rows in compacted.files
        ),
        commits={product: compacted.commits for product, compacted in done.items()},
        samples={product: compacted.samples for product, compacted in done.items()},
        faces={product: compacted.faces for product, compacted in done.items()},
        num_inputs=inventory.num_samples,
    )


def _point_to(target: Store, snapshot: Snapshot) -> None:
    """Bring ``latest.json`` up: a convenience for readers without this library; nothing here reads it."""
    data = canonical_json({"snapshot": snapshot.number, "files": [file.key for file in snapshot.files]})
    try:
        if target.get(LATEST) == data:
            return
    except ObjectMissing:
        pass  # the first one
    target.put(LATEST, data)
