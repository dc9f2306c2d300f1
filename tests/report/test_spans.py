import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodinv.report.spans import bucket, merge, quantile

DURATIONS = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=60)


def spans(durations):
    return merge([{bucket(seconds): 1} for seconds in durations])


@given(DURATIONS, st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_quantile_is_right_to_nine_percent(durations, share):
    exact = sorted(durations)[max(math.ceil(share * len(durations)), 1) - 1]
    assert quantile(spans(durations), share) == pytest.approx(exact, rel=0.0906)


@given(DURATIONS, DURATIONS)
def test_counts_of_shards_add_up_to_those_of_their_wave(one, other):
    assert merge([spans(one), spans(other)]) == spans(one + other)


def test_nothing_took_no_time():
    assert quantile({}, 0.5) == 0.0
    assert bucket(0.0) == bucket(1e-9) == bucket(1e-6)
