"""One numbered part of the inventory, in an unnamed temporary file."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.parquet import open_parquet, to_parquet, unreadable

ROWS_PER_GROUP = 8192
"""Rows that are read together."""

INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("shard_id", pa.string(), nullable=False),
        pa.field("generation", pa.int64(), nullable=False),
    ]
)


class InventoryPart:
    """Rows of INVENTORY_SCHEMA, sorted by key, those of a shard one after another."""

    def __init__(self, data: bytes, where: str):
        """Take in a file.

        Args:
            data: Parquet, as ``part_bytes`` makes it.
            where: Names the file in errors.

        Raises:
            LedgerError: It is not ours.
        """
        self._where = where
        # Without a name it goes with the process, however that ends.
        self._spool = tempfile.TemporaryFile(prefix="oodinv-inventory-")
        self._spool.write(data)
        self._spool.flush()
        self._file = open_parquet(self._spool, INVENTORY_SCHEMA, where)
        self._last: tuple[int, pa.Table] | None = None
        # Arrow's Parquet reader is for one thread: two at once crash the process.
        self._lock = threading.RLock()

    @property
    def num_rows(self) -> int:
        """Entries."""
        return int(self._file.metadata.num_rows)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows, group by group."""
        for group in range(self._file.num_row_groups):
            yield self._read(group, columns)

    @cached_property
    def extents(self) -> dict[str, tuple[int, int]]:
        """shard_id → (first row, number of rows), in the order of the rows.

        Raises:
            LedgerError: The rows of a shard are apart.
        """
        extents: dict[str, tuple[int, int]] = {}
        offset, last = 0, None
        for table in self.rows(["shard_id"]):
            for shard_id, length in _runs(table["shard_id"]):
                if shard_id == last:
                    first, before = extents[shard_id]
                    extents[shard_id] = (first, before + length)
                elif shard_id in extents:
                    raise LedgerError(f"shard {shard_id!r} is dealt twice in the inventory: run `oodinv dataset fsck`")
                else:
                    extents[shard_id] = (offset, length)
                offset, last = offset + length, shard_id
        return extents

    @cached_property
    def num_new(self) -> int:
        """Entries of generation 0: inputs that were never seen before."""
        return sum(pc.sum(pc.equal(table["generation"], 0)).as_py() or 0 for table in self.rows(["generation"]))

    def shard_rows(self, shard_id: str) -> pa.Table:
        """The rows of one shard; shards that follow each other are read quickly."""
        offset, length = self.extents[shard_id]
        pieces, start = [], 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            first, stop = max(offset - start, 0), min(offset + length - start, rows)
            if first < stop:
                pieces.append(self._group(group).slice(first, stop - first))
            start += rows
        return pa.concat_tables(pieces)

    def _group(self, group: int) -> pa.Table:
        with self._lock:
            if self._last is None or self._last[0] != group:
                self._last = (group, self._read(group))
            return self._last[1]

    def _read(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        try:
            with self._lock:
                table = self._file.read_row_group(group, columns=None if columns is None else list(columns))
        except (pa.ArrowException, OSError) as error:
            raise unreadable(self._where, error) from error
        return table.replace_schema_metadata(None)


def part_bytes(table: pa.Table) -> bytes:
    """A part as a file."""
    return to_parquet(table, rows_per_group=ROWS_PER_GROUP)


def _runs(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    """Values that follow each other, with how often each stands there."""
    for chunk in column.chunks:
        encoded = pc.run_end_encode(chunk)
        before = 0
        for value, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
            yield value, end - before
            before = end
