"""Proofs that a column keeps a pandera check, by Arrow's own kernels.

pandera takes a millisecond or two to set a check of a column up, however short the column is: for a part's thirty, as
long as a model may take for several photos. The checks are stated once, in pandera; here is only how each kind is
proven. What is not proven, pandera looks at, and says what is wrong.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def is_proven(column: pa.ChunkedArray, check: Any) -> bool:
    """Whether all values of a column, nulls aside, surely pass a check; False = they may or may not.

    Args:
        column: Of the type that the check is about.
        check: A `pandera.Check`.
    """
    proof = _PROOFS.get(check.name)
    return proof is not None and pc.all(proof(column.drop_null(), **check.statistics), min_count=0).as_py()


def _in_range(column: pa.ChunkedArray, min_value: Any, max_value: Any, include_min: bool, include_max: bool) -> Any:
    above = (pc.greater_equal if include_min else pc.greater)(column, min_value)
    return pc.and_(above, (pc.less_equal if include_max else pc.less)(column, max_value))


def _is_in(column: pa.ChunkedArray, allowed_values: Any) -> Any:
    return pc.is_in(column, value_set=pa.array(list(allowed_values), column.type))


def _matches(column: pa.ChunkedArray, pattern: str) -> Any:
    # With both ends named, searching for it and matching it from the start are the same.
    whole = pattern.startswith("^") and pattern.endswith("$")
    return pc.match_substring_regex(column, pattern) if whole else pa.array([False])


def _has_length(
    column: pa.ChunkedArray,
    min_value: int | None = None,
    max_value: int | None = None,
    exact_value: int | None = None,
) -> Any:
    if exact_value is not None:
        min_value = max_value = exact_value
    length = pc.utf8_length(column)
    least = pc.greater_equal(length, min_value or 0)
    return least if max_value is None else pc.and_(least, pc.less_equal(length, max_value))


_PROOFS: dict[str, Callable[..., Any]] = {
    "equal_to": lambda column, value: pc.equal(column, value),
    "greater_than": lambda column, min_value: pc.greater(column, min_value),
    "greater_than_or_equal_to": lambda column, min_value: pc.greater_equal(column, min_value),
    "in_range": _in_range,
    "isin": _is_in,
    "str_matches": _matches,
    "str_length": _has_length,
}
"""By the name of pandera's built-in check; called with its statistics."""
