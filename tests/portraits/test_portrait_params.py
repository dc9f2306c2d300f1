from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.portraits.params import PortraitParams, age_in_years, labels, parameter_names, to_vector
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.shape_names import SHAPE_NAMES, local_changes

RANGES = {"smile": (-0.4, 1.1), "jaw_open": (0, 0.6), "yaw": (-35, 35), "pitch": (-15, 15), "gender": (0, 1)}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**62))
def test_every_seed_gives_finite_numbers_in_their_ranges(seed):
    params = sample_params(seed)
    vector = to_vector(params)
    assert vector.shape == (len(parameter_names()),)
    assert np.isfinite(vector).all()
    for name, (low, high) in RANGES.items():
        assert low <= getattr(params, name) <= high
    for name, value in zip(parameter_names(), vector, strict=True):
        if name[-2:] in (".r", ".g", ".b"):
            assert 0 <= value <= 1, name


def test_a_seed_always_gives_the_same_portrait_and_neighbours_differ():
    assert sample_params(7) == sample_params(7)
    assert sample_params(7) != sample_params(8)


def test_a_seed_keeps_its_portrait_between_versions():
    # Packs and the embedded model are made from these seeds; changing the draw makes them unrepeatable.
    params = sample_params(0)
    found = [params.age, params.gender, params.smile, params.yaw, params.key]
    np.testing.assert_allclose(found, [0.6143, 0.7733, 0.0651, -35.0, 0.4732], atol=1e-4)


def test_age_gender_smile_mouth_and_pose_are_drawn_independently():
    drawn = [sample_params(seed) for seed in range(1500)]
    names = ("age", "gender", "smile", "jaw_open", "yaw", "pitch")
    table = np.array([[getattr(params, name) for name in names] for params in drawn])
    correlation = np.corrcoef(table.T) - np.eye(len(names))
    assert np.abs(correlation).max() < 0.08  # three standard errors of 1,500 draws


def test_parameter_names_are_unique():
    assert len(set(parameter_names())) == len(parameter_names())


def test_changing_the_smile_changes_one_entry_of_the_vector():
    params = sample_params(3)
    changed = to_vector(replace(params, smile=params.smile + 0.1)) != to_vector(params)
    assert [name for name, differs in zip(parameter_names(), changed, strict=True) if differs] == ["smile"]


def test_every_field_reaches_the_vector():
    params = sample_params(3)
    for field in fields(PortraitParams):
        value = getattr(params, field.name)
        other = tuple(v + 0.01 for v in value) if isinstance(value, tuple) else value + 0.01
        assert (to_vector(replace(params, **{field.name: other})) != to_vector(params)).any(), field.name


def test_labels_read_as_people_say_them():
    params = replace(sample_params(0), age=2 / 3, smile=0.5, jaw_open=0.2, yaw=-20.0, skin=(1.0, 1.0, 1.0))
    found = labels(params)
    assert found["age"] == pytest.approx(25)
    assert found["smile"] == 0.5
    assert found["mouth_open"] == 0.2
    assert found["yaw"] == -20.0
    assert found["skin_lightness"] == pytest.approx(1.0)
    assert {"gender", "pitch", "hair_lightness"} <= set(found)


def test_years_rise_with_age():
    years = [age_in_years(age) for age in np.linspace(0.4, 1, 20)]
    assert all(a < b for a, b in pairwise(years))


def test_a_paired_shape_moves_left_and_right_alike():
    values = [0.0] * len(SHAPE_NAMES)
    values[SHAPE_NAMES.index("both-eye-scale-incr")] = 0.5
    changes = local_changes(tuple(values))
    assert changes["l-eye-scale-incr"] == changes["r-eye-scale-incr"] == 0.5


def test_a_wrong_number_of_shape_values_is_refused():
    with pytest.raises(ValueError, match="expected 71 shape values, got 2"):
        local_changes((0.0, 0.0))


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="0 or more, got -1"):
        sample_params(-1)
