import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.ledger import (
    ALGORITHM_VERSIONS,
    canonical_json,
    define_product,
    fingerprint,
    new_attempt,
    product_name,
    sample_id,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_known_values():
    assert sample_id("a.jpg") == hashlib.sha256(b"a.jpg").hexdigest()[:32]
    assert (
        canonical_json({"b": 1.5, "a": [True, None, "ä"], "c": -0.0})
        == '{"a":[true,null,"ä"],"b":1.5,"c":0.0}'.encode()
    )
    assert fingerprint({}) == hashlib.sha256(b"{}").hexdigest()
    assert product_name("smile_p1.50", "77d01b3e" + "0" * 56) == "smile_p1.50-77d01b3e"


@settings(max_examples=50)
@given(st.dictionaries(st.text(), plain, max_size=5), st.randoms())
def test_the_order_of_a_specification_does_not_change_its_fingerprint(spec, random):
    items = list(spec.items())
    random.shuffle(items)
    assert fingerprint(dict(items)) == fingerprint(spec)


def test_tuples_and_lists_are_one():
    assert canonical_json({"a": (1, 2)}) == canonical_json({"a": [1, 2]})


@pytest.mark.parametrize("bad", [{1: 2}, {"a": {1: 2}}, {"a": object()}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_is_no_plain_json_is_refused(bad):
    with pytest.raises(TypeError, match="canonical JSON"):
        canonical_json(bad)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_equals_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        canonical_json([bad])


@pytest.mark.parametrize("slug", ["", ".hidden", "Smile", "a/b", "a b", "-x", "x" * 152])
def test_a_bad_slug_is_refused(slug):
    with pytest.raises(ValueError, match="bad product slug"):
        product_name(slug, "0" * 64)


def test_attempts_differ():
    assert len({new_attempt() for _ in range(100)}) == 100


def test_a_product_is_named_by_its_parameters_and_its_own_stages():
    one = define_product("faces", {"detector": "a"}, ["decode", "detect"])
    assert one == define_product("faces", {"detector": "a"}, ["decode", "detect"])
    assert one.name.startswith("faces-") and len(one.name) == len("faces-") + 8
    others = {
        define_product("faces", {"detector": "b"}, ["decode", "detect"]).name,
        define_product("faces", {"detector": "a"}, ["decode"]).name,
    }
    assert one.name not in others and len(others) == 2


def test_raising_a_version_changes_the_products_that_take_part_and_no_others(monkeypatch):
    def names():
        return [define_product("p", {}, stages).name for stages in (["decode"], ["decode", "encode"])]

    before = names()
    raised = {**ALGORITHM_VERSIONS, "encode": ALGORITHM_VERSIONS["encode"] + 1}
    monkeypatch.setattr("oodinv.ledger.products.ALGORITHM_VERSIONS", raised)
    after = names()
    assert before[0] == after[0] and before[1] != after[1]


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match=r"unknown stages \['paint'\]"):
        define_product("p", {}, ["paint"])
