"""What every row must satisfy: each column by itself (pandera), columns among each other (pyarrow)."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.column_proofs import is_proven
from oodinv.ledger.identity import SCHEMA_VERSION
from oodinv.ledger.schema import MAX_MESSAGE, ROW_SCHEMA, STATUSES

NUM_POINTS = {"5": 5, "68": 68}
"""Landmarks of each scheme."""

_FACE_COLUMNS = "photo_width photo_height detector det_score bbox landmarks landmark_scheme crop_transform".split()
_OUTPUT_COLUMNS = "out_key out_width out_height out_format out_bytes out_sha256 bundle_sha256 setting".split()
_IDENTITY = ("sample_id", "face_index")
"""Columns that no two rows share."""


def column_problems(table: pa.Table) -> Iterator[str]:
    """Values that their own column does not allow, and repeated (sample_id, face_index).

    pandera is asked only about what `is_proven` leaves open, which in a good part is nothing.
    """
    checks = _checks()
    names = {field.name for field in ROW_SCHEMA if not _is_right(table[field.name], field, checks.get(field.name))}
    if len(set(zip(*(table[name].to_pylist() for name in _IDENTITY), strict=True))) < table.num_rows:
        names |= set(_IDENTITY)
    if names:
        yield from _failures(table.select([name for name in ROW_SCHEMA.names if name in names]))


def _is_right(column: pa.ChunkedArray, field: pa.Field, check: Any) -> bool:
    if column.null_count and not field.nullable:
        return False
    return check is None or is_proven(column, check)


def _failures(columns: pa.Table) -> Iterator[str]:
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    # pandera can be switched off by an environment variable: not here, where it guards the dataset.
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            _schema(columns.column_names).validate(columns, lazy=True)
        except SchemaErrors as error:
            for case in error.failure_cases.to_pylist():
                yield f"{case['column'] or 'rows'}: {case['check']} fails for {str(case['failure_case'])[:120]}"


def _schema(names: list[str]) -> Any:
    """Checks of these columns' values.

    Names, order and types are settled before, by comparison with ROW_SCHEMA: pandera knows no type for lists of fixed
    length, and asking it again for the others would double the time.
    """
    from pandera.pyarrow import Column, DataFrameSchema

    checks = _checks()
    columns = {name: Column(None, checks.get(name), nullable=ROW_SCHEMA.field(name).nullable) for name in names}
    return DataFrameSchema(columns, unique=list(_IDENTITY) if set(_IDENTITY) <= set(names) else None)


@cache
def _checks() -> dict[str, Any]:
    """What each column's values must be, where that is more than their type."""
    from pandera.pyarrow import Check

    sha256 = Check.str_matches(r"^[0-9a-f]{64}$")
    positive, share = Check.gt(0), Check.in_range(0, 1)
    slug = Check.str_matches(r"^[a-z0-9][a-z0-9._-]*$")
    return {
        "schema_version": Check.eq(SCHEMA_VERSION),
        "product": Check.str_matches(r"^[a-z0-9][a-z0-9._-]*-[0-9a-f]{8}$"),
        "edit": slug,
        "sample_id": Check.str_matches(r"^[0-9a-f]{32}$"),
        "src_key": Check.str_length(min_value=1),
        "src_etag": Check.str_length(min_value=1),
        "src_bytes": Check.ge(0),
        "shard_id": Check.str_matches(r"^[1-9][0-9]*-[0-9]{6,}$"),
        "generation": Check.ge(0),
        "attempt": Check.str_matches(r"^[0-9a-f]{32}$"),
        "face_index": Check.ge(-1),
        "num_faces": Check.ge(0),
        "status": Check.isin(STATUSES),
        "stage": slug,
        "error_class": slug,
        "error_message": Check.str_length(max_value=MAX_MESSAGE),
        "photo_width": positive,
        "photo_height": positive,
        "detector": Check.str_length(min_value=1),
        "det_score": share,
        "landmark_scheme": Check.isin(tuple(NUM_POINTS)),
        "compose": Check.isin(("replace", "residual")),
        "ood_area": share,
        "recon_psnr": Check.in_range(-100, 1000),  # finite
        "id_similarity": Check.in_range(-1.001, 1.001),  # rounding of a cosine
        "out_width": positive,
        "out_height": positive,
        "out_format": Check.isin(("jpeg", "png", "webp")),
        "out_bytes": positive,
        "out_sha256": sha256,
        "bundle_sha256": sha256,
        "setting": Check.isin(("paper", "improved")),
        "model_ms": Check.in_range(0, 1e12),  # finite
    }


def row_problems(table: pa.Table) -> Iterator[str]:
    """Rows whose columns contradict each other, each with the sample and face it is about."""
    for rule, broken in _broken_rules(table):
        rows = table.filter(pc.fill_null(broken, False)).select(["sample_id", "face_index"])
        for row in rows.to_pylist():
            yield f"sample {row['sample_id']} face {row['face_index']}: {rule}"


def _broken_rules(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """Each rule in words, with True for the rows that break it."""

    def null(*names: str) -> Any:
        """True where any of the columns is null."""
        found = pc.is_null(table[names[0]])
        for name in names[1:]:
            found = pc.or_(found, pc.is_null(table[name]))
        return found

    def present(name: str) -> Any:
        return pc.is_valid(table[name])

    ok = pc.equal(table["status"], "ok")
    whole_photo = pc.equal(table["face_index"], -1)
    is_edit = present("edit")
    yield "not ok, so stage and error_class must say why", pc.and_(pc.invert(ok), null("stage", "error_class"))
    yield "ok, so it must carry no error", pc.and_(ok, pc.or_(present("error_class"), present("error_message")))
    yield "a row about the whole photo cannot be ok", pc.and_(ok, whole_photo)
    yield "a face needs num_faces above its index", pc.and_(pc.invert(whole_photo), _index_beyond(table))
    yield f"an ok face needs {', '.join(_FACE_COLUMNS)}", pc.and_(pc.and_(ok, pc.invert(is_edit)), null(*_FACE_COLUMNS))
    yield f"an ok edit needs {', '.join(_OUTPUT_COLUMNS)}", pc.and_(pc.and_(ok, is_edit), null(*_OUTPUT_COLUMNS))
    yield "bbox must be finite with x0 < x1, y0 < y1", _bad_boxes(table["bbox"])
    yield "crop_transform must be finite and keep orientation", _bad_transforms(table["crop_transform"])
    yield "landmarks must be finite and as many as landmark_scheme says", _bad_landmarks(table)


def _index_beyond(table: pa.Table) -> Any:
    beyond = pc.greater_equal(table["face_index"], table["num_faces"])
    return pc.fill_null(beyond, True)


def _bad_boxes(boxes: pa.ChunkedArray) -> Any:
    x0, y0, x1, y1 = (pc.list_element(boxes, index) for index in range(4))
    ordered = pc.and_(pc.less(x0, x1), pc.less(y0, y1))
    return pc.or_(pc.invert(ordered), _any_not_finite(boxes))


def _bad_transforms(transforms: pa.ChunkedArray) -> Any:
    a, b, _, c, d, _ = (pc.list_element(transforms, index) for index in range(6))
    determinant = pc.subtract(pc.multiply(a, d), pc.multiply(b, c))
    return pc.or_(pc.invert(pc.greater(determinant, 0.0)), _any_not_finite(transforms))


def _bad_landmarks(table: pa.Table) -> Any:
    landmarks, scheme = table["landmarks"], table["landmark_scheme"]
    wrong = pc.fill_null(pc.and_(pc.is_valid(landmarks), pc.is_null(scheme)), False)
    length = pc.list_value_length(landmarks)
    for name, points in NUM_POINTS.items():
        other = pc.and_(pc.equal(scheme, name), pc.not_equal(length, 2 * points))
        wrong = pc.or_(wrong, pc.fill_null(other, False))
    return pc.or_(wrong, _any_not_finite(landmarks))


def _any_not_finite(lists: pa.ChunkedArray) -> Any:
    """True for lists that hold a NaN, an infinity or a null."""
    rows = pc.list_parent_indices(lists)
    finite = pc.fill_null(pc.is_finite(pc.list_flatten(lists)), False)
    bad = pc.unique(rows.filter(pc.invert(finite)))
    return pc.is_in(pa.chunked_array([pa.array(range(len(lists)), bad.type)]), value_set=bad)
