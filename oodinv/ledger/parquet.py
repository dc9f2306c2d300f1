"""Tables to bytes and back: one explicit schema on both ways, the same bytes for the same table."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import SCHEMA_VERSION

FOOTER = {b"oodinv.schema_version": str(SCHEMA_VERSION).encode()}
"""Stands in the footer of every file that we write."""


def to_parquet(table: pa.Table, *, rows_per_group: int | None = None) -> bytes:
    """The table as one Parquet file. The bytes depend on the table and the version of pyarrow, on nothing else.

    Args:
        table: What to write.
        rows_per_group: Rows that can be read without the others; None = all together.
    """
    sink = pa.BufferOutputStream()
    # One chunk: how a table was put together must not show in its pages.
    pq.write_table(
        table.combine_chunks().replace_schema_metadata(FOOTER), sink, compression="zstd", row_group_size=rows_per_group
    )
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes, schema: pa.Schema, where: str, columns: list[str] | None = None) -> pa.Table:
    """Read a file that we wrote.

    Args:
        data: The whole file.
        schema: What it must hold.
        where: Names the file in errors.
        columns: Read these only; all by default.

    Raises:
        LedgerError: No Parquet, or another schema.
    """
    file = open_parquet(pa.BufferReader(data), schema, where)
    try:
        return file.read(columns=columns).replace_schema_metadata(None)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(where, error) from error


def open_parquet(source: Any, schema: pa.Schema, where: str) -> pq.ParquetFile:
    """Open a file that we wrote; raises as ``from_parquet``.

    Args:
        source: An open file or a buffer's reader.
        schema: What it must hold.
        where: Names the file in errors.
    """
    try:
        file = pq.ParquetFile(source)
        found = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise unreadable(where, error) from error
    if not found.equals(schema):
        raise LedgerError(f"{where}: {_schema_difference(schema, found)}")
    return file


def unreadable(where: str, error: Exception) -> LedgerError:
    """What is raised for a file that cannot be read."""
    return LedgerError(f"{where} is no readable Parquet file: {str(error)[:200]}")


def _schema_difference(expected: pa.Schema, found: pa.Schema) -> str:
    """One line that says where two schemas part, with the writer's version if that explains it."""
    version = (found.metadata or {}).get(b"oodinv.schema_version", b"none").decode("ascii", "replace")

    def fields(schema: pa.Schema) -> dict[str, Any]:
        return {field.name: (str(field.type), field.nullable) for field in schema}

    ours, theirs = fields(expected), fields(found)
    missing = sorted(ours.keys() - theirs.keys())
    unknown = sorted(theirs.keys() - ours.keys())
    other = [
        f"{name} {theirs[name]} instead of {ours[name]}" for name in ours if theirs.get(name, ours[name]) != ours[name]
    ]
    return (
        f"expected the columns of schema version {SCHEMA_VERSION}, found version {version}: "
        f"missing {missing[:5]}, unknown {unknown[:5]}, other type {other[:3]}"
    )
