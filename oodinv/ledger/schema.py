"""The columns of all products' rows, and building tables of them."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from oodinv.ledger.identity import SCHEMA_VERSION
from oodinv.text import one_line

STATUSES = ("ok", "skipped", "failed", "quarantined")
"""From best to worst: done; no face; bad bytes or an error of this sample; killed its process."""

MAX_MESSAGE = 500
"""Characters of ``error_message``; longer ones are cut."""

_TEXT, _INTEGER, _REAL = pa.string(), pa.int64(), pa.float64()
# "element" is Parquet's own word for list items: with another name a table read back would not write the same bytes.
_FLOATS = pa.field("element", pa.float32())
_DOUBLES = pa.field("element", pa.float64())

_COLUMNS: tuple[tuple[str, pa.DataType, bool], ...] = (  # name, type, may be null
    # Whose row this is.
    ("schema_version", _INTEGER, False),
    ("product", _TEXT, False),
    ("edit", _TEXT, True),  # the edit's slug; null in a faces product
    ("sample_id", _TEXT, False),
    ("src_key", _TEXT, False),
    ("src_etag", _TEXT, False),
    ("src_bytes", _INTEGER, False),
    ("shard_id", _TEXT, False),
    ("generation", _INTEGER, False),  # of the sample
    ("attempt", _TEXT, False),
    ("face_index", _INTEGER, False),  # -1: about the whole photo
    ("num_faces", _INTEGER, True),  # null: never looked
    # What became of it.
    ("status", _TEXT, False),
    ("stage", _TEXT, True),
    ("error_class", _TEXT, True),
    ("error_message", _TEXT, True),
    # The face in the photo: continuous pixels, the centre of pixel (i, j) at x = j + 0.5, y = i + 0.5.
    ("photo_width", _INTEGER, True),
    ("photo_height", _INTEGER, True),
    ("detector", _TEXT, True),
    ("det_score", _REAL, True),
    ("bbox", pa.list_(_FLOATS, 4), True),  # x0, y0, x1, y1
    ("landmarks", pa.list_(_FLOATS), True),  # x, y of each point
    ("landmark_scheme", _TEXT, True),
    ("crop_transform", pa.list_(_DOUBLES, 6), True),  # crop pixel → photo pixel, 2x3 row by row
    # How it was edited.
    ("compose", _TEXT, True),
    ("ood_area", _REAL, True),  # share of the crop, 0…1
    ("recon_psnr", _REAL, True),  # dB
    ("id_similarity", _REAL, True),  # cosine; null without an identity network
    # What was written.
    ("out_key", _TEXT, True),
    ("out_width", _INTEGER, True),
    ("out_height", _INTEGER, True),
    ("out_format", _TEXT, True),
    ("out_bytes", _INTEGER, True),
    ("out_sha256", _TEXT, True),
    ("mask_key", _TEXT, True),
    # By what.
    ("bundle_sha256", _TEXT, True),
    ("setting", _TEXT, True),
    ("seed", _INTEGER, True),
    ("model_ms", _REAL, True),
    ("committed_at", pa.timestamp("us", tz="UTC"), False),  # start of the part's publication
)

ROW_SCHEMA = pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in _COLUMNS])
"""One schema for all products, never inferred."""

RUN_COLUMNS = ("attempt", "generation", "out_key", "mask_key", "model_ms", "committed_at")
"""May differ between two equal runs; every other column may not."""


def make_row(**fields: Any) -> dict[str, Any]:
    """One row with every column: what is not given is null, ``schema_version`` is filled in.

    Numbers and arrays of numpy become plain ones, arrays row by row (so ``landmarks`` may be [n, 2] and
    ``crop_transform`` [2, 3]). ``error_message`` is made printable and cut to MAX_MESSAGE characters.

    Raises:
        ValueError: A field that is no column, or a value of another type than its column's.
    """
    unknown = sorted(fields.keys() - _FIELDS.keys())
    if unknown:
        raise ValueError(f"unknown fields {unknown}: expected some of {', '.join(_FIELDS)}")
    plain = {name: _plain(_FIELDS[name], value) for name, value in fields.items() if value is not None}
    return _NOTHING | plain


def rows_to_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows, each as ``make_row`` takes its fields, to a table of ROW_SCHEMA. ``validate_part`` checks the values.

    Raises:
        ValueError: As ``make_row``.
    """
    listed = list(rows)
    try:
        # Column by column: Arrow looks at each value once.
        if any(not row.keys() <= _FIELDS.keys() for row in listed):
            raise ValueError("unknown fields")
        return pa.table([_column(field, listed) for field in _FIELDS.values()], schema=ROW_SCHEMA)
    except _NOT_PLAIN:
        return pa.Table.from_pylist([make_row(**row) for row in listed], schema=ROW_SCHEMA)  # it says which one


@dataclass(frozen=True)
class _Field:
    """A column, with what makes a plain value of one; asked of Arrow once, for there are dozens for each row."""

    name: str
    type: pa.DataType
    convert: Callable[[Any], Any]


def _field(field: pa.Field) -> _Field:
    convert: Callable[[Any], Any] = _same
    if field.name == "error_message":
        convert = _message
    elif pa.types.is_integer(field.type):
        convert = operator.index
    elif pa.types.is_floating(field.type):
        convert = float
    elif pa.types.is_nested(field.type):
        convert = _flat
    elif pa.types.is_timestamp(field.type):
        convert = _zoned
    return _Field(field.name, field.type, convert)


def _same(value: Any) -> Any:
    return value


def _message(value: Any) -> str:
    return one_line(value.encode("utf-8", "backslashreplace").decode("utf-8"), MAX_MESSAGE)


def _flat(value: Any) -> list[float]:
    return list(np.asarray(value, np.float64).ravel().tolist())


def _zoned(value: Any) -> Any:
    if value.utcoffset() is None:
        raise ValueError("a time without zone")
    return value


_FIELDS = {field.name: _field(field) for field in ROW_SCHEMA}
_NOTHING = dict.fromkeys(_FIELDS) | {"schema_version": SCHEMA_VERSION}


_NOT_PLAIN = (pa.ArrowException, ValueError, TypeError, AttributeError, OverflowError)


def _column(field: _Field, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    """One column of rows, as ``make_row`` would make them."""
    convert, default = field.convert, _NOTHING[field.name]
    values = [row.get(field.name) for row in rows]
    return pa.array([default if value is None else convert(value) for value in values], field.type)


def _plain(field: _Field, value: Any) -> Any:
    """The value as its column takes it; Arrow itself would cut 1.5 to 1 in an integer column."""
    try:
        value = field.convert(value)
        pa.scalar(value, field.type)
    except _NOT_PLAIN as error:
        raise ValueError(f"{field.name} is {field.type}, got {value!r:.200}") from error
    return value
