import itertools
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oodinv.edits import EditError, expand_edits, format_edits, parse_edit

names = st.from_regex(re.compile(r"[a-z][a-z0-9_]{0,9}"), fullmatch=True)
hundredths = st.integers(-9900, 9900).map(lambda number: number / 100)


@st.composite
def sweeps(draw, most=40):
    """From, to and count of a sweep whose steps stay apart after rounding."""
    low, high, count = draw(hundredths), draw(hundredths), draw(st.integers(2, most))
    assume(abs(high - low) >= 0.011 * (count - 1))
    return low, high, count


@settings(max_examples=300, deadline=None)
@given(names, sweeps())
def test_a_sweep_has_its_count_its_ends_and_even_steps_in_order(name, sweep):
    low, high, count = sweep
    edits = [parse_edit(text) for text in expand_edits(f"{name}={low}:{high}:{count}")]
    assert all(len(combined) == 1 and combined[0].name == name for combined in edits)
    strengths = [combined[0].strength for combined in edits]
    assert (len(strengths), strengths[0], strengths[-1]) == (count, low, high)
    assert strengths == sorted(strengths, reverse=high < low)
    # Half a hundredth for the rounding; where a step is on the edge between two, either of them.
    assert np.abs(np.array(strengths) - np.linspace(low, high, count)).max() <= 0.005 + 1e-9


@settings(max_examples=200, deadline=None)
@given(names, sweeps())
def test_its_texts_are_canonical_and_differ(name, sweep):
    low, high, count = sweep
    texts = expand_edits(f" {name} = {low}:{high}:{count} ")
    assert len(set(texts)) == count
    for text in texts:
        assert format_edits(parse_edit(text)) == text and expand_edits(text) == (text,)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, sweeps(most=5), min_size=1, max_size=3), st.tuples(names, hundredths))
def test_several_sweeps_are_their_grid_the_last_one_fastest(sweeps, fixed):
    assume(fixed[0] not in sweeps)
    parts = [f"{name}={low}:{high}:{count}" for name, (low, high, count) in sweeps.items()]
    found = expand_edits(",".join([*parts, f"{fixed[0]}={fixed[1]}"]))
    each = [expand_edits(part) for part in parts]
    expected = [
        format_edits(parse_edit(",".join([*one, f"{fixed[0]}={fixed[1]}"]))) for one in itertools.product(*each)
    ]
    assert list(found) == expected


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("smile=-2:2:5", ("smile=-2.00", "smile=-1.00", "smile=+0.00", "smile=+1.00", "smile=+2.00")),
        ("smile=-2:2:3,age=1", ("age=+1.00,smile=-2.00", "age=+1.00,smile=+0.00", "age=+1.00,smile=+2.00")),
        ("smile=0:1:2,age=2:1:2", ("age=+2.00,smile=+0.00", "age=+1.00,smile=+0.00", "age=+2.00,smile=+1.00",
                                   "age=+1.00,smile=+1.00")),
        ("smile=+0:+1:3", ("smile=+0.00", "smile=+0.50", "smile=+1.00")),
        ("yaw=0:1:4", ("yaw=+0.00", "yaw=+0.33", "yaw=+0.67", "yaw=+1.00")),
        ("smile=1.5", ("smile=+1.50",)),
        ("identity", ("identity",)),
    ],
)  # fmt: skip
def test_canonical_expansions(text, expanded):
    assert expand_edits(text) == expanded


@pytest.mark.parametrize(
    "text",
    ["smile=-2:2", "smile=:", "smile=1:2:3:4", "smile=a:2:3", "smile=-2:2:x", "smile=-2:2:2.5", "smile=-2:2:1",
     "smile=-2:2:0", "smile=-2:2:-3", "smile=-2:2:1001", "smile=-2:2:1000000000000", "smile=nan:2:3", "smile=0:inf:3",
     "age=1,smile=-2:2"],
)  # fmt: skip
def test_what_is_no_sweep_is_refused_with_an_example(text):
    with pytest.raises(
        EditError, match=r"expected a sweep like smile=-2:2:5 \(from, to, number of edits from 2 to 1000"
    ):
        expand_edits(text)


@pytest.mark.parametrize("text", ["smile=0:0.001:2", "smile=1:1:2", "smile=0:1:102", "smile=-0.001:0.001:2"])
def test_steps_that_are_one_after_rounding_are_refused(text):
    with pytest.raises(EditError, match=r"less than 0\.01 apart, and strengths have two decimals: take fewer steps"):
        expand_edits(text)


def test_a_thousand_edits_and_no_more_come_of_one_text():
    assert len(expand_edits("a=0:9:100,b=0:1:10")) == len(expand_edits("a=-99:99:1000")) == 1000
    with pytest.raises(EditError, match="makes 1001 edits, expected at most 1000: take fewer steps"):
        expand_edits("a=0:9:91,b=0:1:11,c=1")
    with pytest.raises(EditError, match="makes 8000000 edits"):
        expand_edits(",".join(f"{name}=0:50:200" for name in "abc"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smile", "expected an edit like smile=+1.5"),
        ("smile:0:1:2", "expected an edit like smile=+1.5"),
        ("", "expected an edit like smile=+1.5"),
        ("Smile=0:1:2", "lower-case letters"),
        ("smile=0:100:3", "between -99 and 99, got 100"),
        ("smile=0:1:2,smile=3", "once in an edit"),
        ("identity,smile=0:1:2", "expected an edit like smile=+1.5"),
    ],
)
def test_what_no_single_edit_may_be_no_sweep_may(text, expected):
    with pytest.raises(EditError) as caught:
        expand_edits(text)
    assert expected in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab=:,.-+0123456789e ", max_size=24))
def test_any_text_is_edits_or_a_refusal(text):
    try:
        assert all(parse_edit(one) is not None for one in expand_edits(text))
    except EditError as error:
        assert len(str(error)) < 300
