"""The gate in front of every commit: rows are right one by one, and account for the shard all together."""

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from oodinv.ledger.errors import PartInvalid
from oodinv.ledger.inventory import Sample, Shard
from oodinv.ledger.row_rules import column_problems, row_problems
from oodinv.ledger.schema import ROW_SCHEMA

_SHOWN = 10  # problems in a message
_ACCOUNTING_COLUMNS = "sample_id src_key src_etag src_bytes shard_id generation face_index num_faces".split()


def validate_part(table: pa.Table, *, product: str, shard: Shard) -> pa.Table:
    """Check the rows of one product for one shard.

    Besides the columns: every sample of the shard has either one row with ``face_index`` -1 or the rows
    0 … ``num_faces`` - 1; each row names the product, the shard and its sample as the inventory has it; all rows are of
    one attempt.

    Args:
        table: Rows of ROW_SCHEMA in any order.
        product: Name of the product.
        shard: The samples that must be accounted for: a whole shard, or for a repair the repaired ones.

    Returns:
        The same rows in the order of the shard's samples and faces, so that a part does not show who was faster.

    Raises:
        PartInvalid: With at most ten of the problems.
    """
    if not table.schema.equals(ROW_SCHEMA):
        raise PartInvalid(
            f"part of {product}, shard {shard.shard_id}: its columns are not ROW_SCHEMA; build it with rows_to_table"
        )
    problems = _problems(table, product, shard)
    shown = list(islice(problems, _SHOWN))
    if shown:
        more = sum(1 for _ in problems)
        raise PartInvalid(
            f"part of {product}, shard {shard.shard_id}: {len(shown) + more} problems\n  "
            + "\n  ".join(shown)
            + (f"\n  and {more} more" if more else "")
        )
    return _in_order(table, shard)


def _problems(table: pa.Table, product: str, shard: Shard) -> Iterator[str]:
    yield from column_problems(table)
    yield from row_problems(table)
    for value in table["product"].unique().to_pylist():
        if value != product:
            yield f"product: expected {product!r} in every row, got {value!r}"
    attempts = table["attempt"].unique()
    if len(attempts) > 1:
        yield f"attempt: expected one for the whole part, got {len(attempts)}"
    yield from _accounting(table, shard)


def _accounting(table: pa.Table, shard: Shard) -> Iterator[str]:
    rows: dict[str, list[dict]] = {}
    for row in table.select(_ACCOUNTING_COLUMNS).to_pylist():
        rows.setdefault(row["sample_id"], []).append(row)
    for sample in shard.samples:
        found = rows.pop(sample.sample_id, None)
        if found is None:
            yield f"sample {sample.sample_id} ({sample.key!r:.120}) has no row"
        else:
            yield from _sample_problems(sample, found)
    for stranger in rows:
        yield f"sample {stranger} does not belong to this shard"


def _sample_problems(sample: Sample, rows: list[dict]) -> Iterator[str]:
    for name, expected in sample.row_fields().items():
        for row in rows:
            if row[name] != expected:
                yield f"sample {sample.sample_id}: {name} is {row[name]!r:.120}, the inventory has {expected!r:.120}"
    faces = sorted(row["face_index"] for row in rows)
    counts = {row["num_faces"] for row in rows}
    if len(counts) > 1:
        yield f"sample {sample.sample_id}: its rows differ in num_faces: {sorted(map(str, counts))}"
    elif faces != [-1] and faces != list(range(counts.pop() or 0)):
        yield (
            f"sample {sample.sample_id}: expected one row with face_index -1 or rows 0 … num_faces - 1, got {faces} "
            f"with num_faces {rows[0]['num_faces']}"
        )


def _in_order(table: pa.Table, shard: Shard) -> pa.Table:
    place = {sample.sample_id: index for index, sample in enumerate(shard.samples)}
    keys = zip(table["sample_id"].to_pylist(), table["face_index"].to_pylist(), strict=True)
    order = sorted((place[sample_id], face_index, row) for row, (sample_id, face_index) in enumerate(keys))
    return table.take(pa.array([row for *_, row in order], pa.int64())).combine_chunks()
