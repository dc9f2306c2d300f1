"""How long a job may take follows from how long others took."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodinv.cluster.pace import Pace


def test_of_a_few_jobs_nothing_is_concluded():
    pace = Pace(20.0)
    for _ in range(19):
        pace.ended(10, 5.0)
        assert pace.longest(10) == math.inf
    pace.ended(10, 5.0)
    assert pace.longest(10) == pytest.approx(20 * 5.0) and pace.longest(2) == pytest.approx(20.0)


def test_a_single_slow_job_of_twenty_does_not_stretch_it_and_two_do():
    pace = Pace(1.0)
    for seconds in [*[1.0] * 19, 100.0]:
        pace.ended(1, seconds)
    assert pace.longest(1) == 1.0
    pace.ended(1, 100.0)
    assert pace.longest(1) == 100.0


@given(st.lists(st.floats(0.001, 100), min_size=200, max_size=400))
def test_what_lies_far_back_is_forgotten(seconds):
    pace, late = Pace(1.0), Pace(1.0)
    for value in seconds:
        pace.ended(1, value)
    for value in seconds[-200:]:
        late.ended(1, value)
    assert pace.longest(1) == late.longest(1) <= max(seconds[-200:])
