"""What is proven, pandera accepts; what is right is proven, so that pandera is asked about nothing."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaError, SchemaErrors
from pandera.pyarrow import Check, Column, DataFrameSchema

from oodinv.ledger import ROW_SCHEMA
from oodinv.ledger.column_proofs import is_proven
from oodinv.ledger.row_rules import _checks

NUMBERS = {
    pa.float64(): st.floats(-3, 3) | st.sampled_from([float("nan"), float("inf")]),
    pa.int64(): st.integers(-3, 3),
}
NUMERIC = [
    Check.eq(1),
    Check.gt(0),
    Check.ge(0),
    Check.in_range(-1, 2),
    Check.in_range(-1, 2, include_min=False),
    Check.in_range(-1, 2, include_max=False),
    Check.isin((0, 1, 2)),
]
TEXTUAL = [
    Check.eq("ab"),
    Check.isin(("a", "ab")),
    Check.str_matches(r"^[ab]*$"),
    Check.str_matches(r"^a[a-z\n]{1,2}$"),
    Check.str_matches(r"ab"),
    Check.str_length(min_value=1),
    Check.str_length(max_value=2),
    Check.str_length(1, 2),
]


def accepts(column, check):
    try:
        DataFrameSchema({"x": Column(None, check, nullable=True)}).validate(pa.table({"x": column}), lazy=True)
    except (SchemaError, SchemaErrors):
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(data=st.data(), check=st.sampled_from(NUMERIC), kind=st.sampled_from(list(NUMBERS)))
def test_a_proof_for_numbers_is_never_wrong(data, check, kind):
    values = data.draw(st.lists(st.none() | NUMBERS[kind], max_size=3))
    column = pa.chunked_array([pa.array(values, kind)])
    if is_proven(column, check):
        assert accepts(column, check)


@settings(max_examples=60, deadline=None)
@given(
    check=st.sampled_from(TEXTUAL),
    values=st.lists(st.none() | st.text("abB\nä", max_size=3), max_size=3),
)
def test_a_proof_for_texts_is_never_wrong(check, values):
    column = pa.chunked_array([pa.array(values, pa.string())])
    if is_proven(column, check):
        assert accepts(column, check)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (Check.eq(1), [1, None], [1, 2]),
        (Check.gt(0), [1, None], [0]),
        (Check.ge(0), [0], [-1]),
        (Check.in_range(0, 1), [0.0, 1.0, None], [float("nan")]),
        (Check.in_range(0, 1, include_max=False), [0.0], [1.0]),
        (Check.isin(("a", "b")), ["a", None], ["c"]),
        (Check.str_matches(r"^[0-9a-f]{4}$"), ["00ff"], ["00fF"]),
        (Check.str_matches(r"^[0-9a-f]{4}$"), [], ["00ff\n"]),
        (Check.str_length(max_value=2), ["äö"], ["äöü"]),
        (Check.str_length(min_value=1), ["a"], [""]),
        (Check.str_length(exact_value=2), ["ab"], ["a"]),
    ],
)
def test_what_is_right_is_proven_and_what_is_wrong_is_not(check, good, bad):
    kind = pa.array(bad).type
    assert is_proven(pa.chunked_array([pa.array(good, kind)]), check)
    assert not is_proven(pa.chunked_array([pa.array(bad, kind)]), check)


@pytest.mark.parametrize("check", [Check.str_matches("ab"), Check.str_startswith("a"), Check(lambda data: True)])
def test_what_nobody_knows_how_to_prove_is_not_proven(check):
    assert not is_proven(pa.chunked_array([["ab"]]), check)


def test_every_check_of_a_row_is_of_a_column_and_can_be_proven():
    assert _checks().keys() <= set(ROW_SCHEMA.names)
    for name, check in _checks().items():
        assert is_proven(pa.chunked_array([], ROW_SCHEMA.field(name).type), check), name
