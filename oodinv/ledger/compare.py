"""Are two runs equal? All columns but those of the run itself, whatever the order of rows."""

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from oodinv.ledger.schema import ROW_SCHEMA, RUN_COLUMNS

_KEY = ("product", "sample_id", "face_index")


def run_differences(a: pa.Table, b: pa.Table, *, limit: int = 20) -> list[str]:
    """Where two runs differ; an empty list means they are equal.

    Compared are all columns but RUN_COLUMNS, floats exactly; rows are matched by product, sample and face.

    Args:
        a: Rows of ROW_SCHEMA, as ``read_snapshot`` gives them.
        b: The same of the other run.
        limit: Most differences to return.
    """
    return list(islice(_differences(_rows(a), _rows(b)), limit))


def _rows(table: pa.Table) -> dict[tuple, dict]:
    columns = [name for name in ROW_SCHEMA.names if name not in RUN_COLUMNS]
    found: dict[tuple, dict] = {}
    for row in table.select(columns).to_pylist():
        key = tuple(row[name] for name in _KEY)
        if key in found:
            raise ValueError(f"product, sample and face occur twice: {key}")
        found[key] = row
    return found


def _differences(a: dict[tuple, dict], b: dict[tuple, dict]) -> Iterator[str]:
    for key in sorted(a.keys() | b.keys()):
        name = "{}, sample {}, face {}".format(*key)
        if key not in a or key not in b:
            yield f"{name}: only in the {'first' if key in a else 'second'} run"
            continue
        for column, value in a[key].items():
            other = b[key][column]
            # NaN never passes the schema; two of them would differ here, as they should.
            if value != other:
                yield f"{name}: {column} is {value!r:.80} in the first run, {other!r:.80} in the second"
