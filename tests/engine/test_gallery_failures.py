"""The list of photos without result: each reason once, bounded, and nothing lost from the counts."""

import numpy as np
import pyarrow as pa
import pytest

from oodinv.engine.without_result import COLUMNS, WithoutResult
from oodinv.ledger import sample_id


def table(*rows):
    """Rows as (key, status) or (key, status, message)."""
    filled = [
        (sample_id(key), key, status, None if status == "ok" else "some-class", said[0] if said else None)
        for key, status, *said in rows
    ]
    return pa.table({name: [row[index] for row in filled] for index, name in enumerate(COLUMNS)})


def listed(found):
    return [(failure.key, failure.status, failure.message, list(failure.edits)) for failure in found.listed()[0]]


def test_one_good_face_is_a_result():
    found = WithoutResult(edits={"smile": 0})
    found.add("smile", table(("a", "failed"), ("a", "ok"), ("b", "ok"), ("c", "failed")))
    assert listed(found) == [("c", "failed", "", [0])]


def test_the_worst_face_speaks_for_its_photo():
    found = WithoutResult(edits={"smile": 0})
    found.add("smile", table(("a", "skipped", "tiny"), ("a", "quarantined", "died"), ("a", "failed", "broke")))
    assert listed(found) == [("a", "quarantined", "died", [0])]


def test_a_reason_is_listed_once_with_the_edits_it_concerns():
    found = WithoutResult(edits={"smile": 0, "age": 1})
    for product in ("faces", "age", "smile"):
        found.add(product, table(("unreadable", "failed", "not an image"), ("good", "ok")))
    found.add("age", table(("odd", "failed", "too old")))
    assert listed(found) == [("odd", "failed", "too old", [1]), ("unreadable", "failed", "not an image", [0, 1])]


def test_a_photo_with_two_reasons_has_two_lines_and_counts_once():
    found = WithoutResult(edits={"smile": 0, "age": 1}, limit=1)
    found.add("smile", table(("a", "failed", "one"), ("b", "failed", "two")))
    found.add("age", table(("a", "failed", "other")))
    failures, unlisted = found.listed()
    assert [failure.message for failure in failures] == ["one"]
    assert unlisted == {"quarantined": 0, "failed": 1, "skipped": 0}


@pytest.mark.parametrize("seed", range(5))
def test_the_bounded_list_is_the_beginning_of_the_whole_one(seed):
    rng = np.random.default_rng(seed)
    keys = [f"{key:03}" for key in rng.permutation(300)]
    tables = [
        (product, table(*((key, rng.choice(["ok", "skipped", "failed"]), str(rng.integers(2))) for key in part)))
        for part in np.array_split(keys, 30)
        for product in ("smile", "age")
    ]
    whole, short = (
        WithoutResult(edits={"smile": 0, "age": 1}, limit=10_000),
        WithoutResult(edits={"smile": 0, "age": 1}),
    )
    short.limit = 7
    for product, rows in tables:
        whole.add(product, rows)
        short.add(product, rows)
        assert all(len(found) <= 4 * short.limit for found in short._found.values())
    everything, nothing = whole.listed()
    first, unlisted = short.listed()
    assert set(nothing.values()) == {0}
    for status in ("failed", "skipped"):
        of_status = [failure for failure in everything if failure.status == status]
        assert [failure for failure in first if failure.status == status] == of_status[:7]
        assert unlisted[status] == len({f.key for f in of_status} - {f.key for f in of_status[:7]}) > 50
