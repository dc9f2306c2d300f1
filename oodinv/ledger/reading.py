"""How other programs read a dataset: the newest snapshot as a pyarrow dataset, and nothing that is not committed.

rows = oodinv.ledger.read("s3://datasets/faces")
rows.to_table(columns=["src_key", "status"]).to_pandas()
polars.scan_pyarrow_dataset(rows)
duckdb.sql("select edit, status, count(*) from rows group by all")
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.dataset

from oodinv.ledger.commit import get_verified
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.schema import ROW_SCHEMA
from oodinv.ledger.snapshot import SnapshotFile, files_of, find_snapshot
from oodinv.store import DEFAULT_ACCESS, Access, FolderStore, Store, open_store
from oodinv.store.cache import CACHE, cache_folder, keep_file


def read(
    target: str | Store,
    *,
    products: Sequence[str] | None = None,
    number: int | None = None,
    access: Access = DEFAULT_ACCESS,
) -> pyarrow.dataset.Dataset:
    """The rows of a snapshot, read when they are asked for.

    A folder's files are read where they are. Those of a bucket are brought to this machine once, below
    `$OODINV_CACHE`, and checked against the hashes that the snapshot vouches for.

    Args:
        target: The dataset: a folder, ``s3://bucket/prefix``, or an open store.
        products: Of these products; of all by default.
        number: Of this snapshot; of the newest by default.
        access: How to reach a bucket.

    Returns:
        Rows of ROW_SCHEMA, ordered by product, shard, key and face.

    Raises:
        LedgerError: No such snapshot or product, or a file is gone or damaged.
    """
    store = open_store(target, access) if isinstance(target, str) else target
    snapshot = find_snapshot(store, number)
    paths = [str(_path(store, file)) for file in files_of(snapshot, products)]
    if not paths:
        return pyarrow.dataset.dataset(ROW_SCHEMA.empty_table())
    return pyarrow.dataset.dataset(paths, schema=ROW_SCHEMA, format="parquet")


def _path(store: Store, file: SnapshotFile) -> Path:
    if isinstance(store, FolderStore):
        path = store.root / file.key
        if not path.is_file() or path.stat().st_size != file.size:
            raise LedgerError(f"{file.key} is gone from {store.uri}, or other than was published: restore it")
        return path
    path = cache_folder() / "snapshots" / f"{file.sha256}.parquet"
    try:
        if not path.is_file() or sha256_hex(path.read_bytes()) != file.sha256:
            keep_file(path, get_verified(store, file))
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be kept: {error.strerror or error}. Make room, or name another folder in {CACHE}"
        ) from error
    return path
