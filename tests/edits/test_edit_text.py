import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.edits import Edit, EditError, edit_slug, format_edits, parse_edit

names = st.from_regex(re.compile(r"[a-z][a-z0-9_]{0,31}"), fullmatch=True)
strengths = st.integers(-9900, 9900).map(lambda hundredths: hundredths / 100)
edits = st.dictionaries(names, strengths, max_size=3).map(
    lambda found: tuple(sorted(Edit(name, strength) for name, strength in found.items()))
)


@settings(max_examples=200, deadline=None)
@given(edits)
def test_text_goes_there_and_back(edits):
    assert parse_edit(format_edits(edits)) == edits


@settings(max_examples=200, deadline=None)
@given(edits, edits)
def test_different_edits_have_different_slugs_of_plain_characters(first, second):
    slug = edit_slug(first)
    assert re.fullmatch(r"[a-z0-9._-]+", slug)
    assert (slug == edit_slug(second)) == (first == second)


@settings(max_examples=100, deadline=None)
@given(edits, st.randoms(use_true_random=False))
def test_the_order_and_the_spaces_of_a_combined_edit_do_not_matter(edits, random):
    shuffled = random.sample(edits, len(edits))
    text = " , ".join(f" {edit.name} = {edit.strength} " for edit in shuffled) or " identity "
    assert parse_edit(text) == edits


@pytest.mark.parametrize(
    ("text", "canonical", "slug"),
    [
        ("smile=+1.5", "smile=+1.50", "smile_p1.50"),
        ("smile=1.5", "smile=+1.50", "smile_p1.50"),
        ("age=-1", "age=-1.00", "age_m1.00"),
        ("smile=+1.5,age=-1", "age=-1.00,smile=+1.50", "age_m1.00-smile_p1.50"),
        ("identity", "identity", "identity"),
        ("yaw=1e1", "yaw=+10.00", "yaw_p10.00"),
        ("smile=-0.001", "smile=+0.00", "smile_p0.00"),
    ],
)
def test_canonical_forms(text, canonical, slug):
    assert format_edits(parse_edit(text)) == canonical
    assert edit_slug(parse_edit(text)) == slug


@settings(max_examples=100, deadline=None)
@given(st.floats(-99, 99))
def test_strengths_are_rounded_to_what_the_name_shows(strength):
    (edit,) = parse_edit(f"smile={strength!r}")
    assert abs(edit.strength - strength) <= 0.005 + 1e-9
    assert parse_edit(format_edits((edit,))) == (edit,)
    assert str(edit.strength) != "-0.0"


@pytest.mark.parametrize(
    "text",
    ["", " ", "smile", "smile=", "=1", "smile=x", "smile==1", "smile=1,", ",", "smile=1,,age=1", "smile:1", "smile=nan",
     "smile=1;age=2", "smile=0x10", "smile=1 2", "identity,smile=1"],
)  # fmt: skip
def test_what_is_no_edit_is_refused_with_an_example(text):
    with pytest.raises(EditError, match=r"expected an edit like smile=\+1\.5|name is lower-case"):
        parse_edit(text)


@pytest.mark.parametrize("text", ["smile=100", "smile=-99.006", "smile=inf", "smile=-inf", "smile=1e300"])
def test_a_strength_out_of_range_is_refused(text):
    with pytest.raises(EditError, match="between -99 and 99"):
        parse_edit(text)


@pytest.mark.parametrize("name", ["Smile", "smíle", "1st", "a/b", "..", "a b", "a-b", "x" * 33, "_a", "identity/"])
def test_a_name_that_is_no_plain_word_is_refused(name):
    with pytest.raises(EditError, match="lower-case letters, digits and _"):
        parse_edit(f"{name}=1")


def test_an_attribute_named_twice_is_refused():
    with pytest.raises(EditError, match="once in an edit, got 'smile=1,smile=2': add the strengths up"):
        parse_edit("smile=1,smile=2")


def test_a_long_text_is_not_repeated_whole():
    with pytest.raises(EditError) as caught:
        parse_edit("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_more_attributes_than_a_name_can_hold_are_refused():
    with pytest.raises(EditError, match="fewer attributes in one edit, got 5"):
        parse_edit(",".join(f"{letter * 32}=1" for letter in "abcde"))
