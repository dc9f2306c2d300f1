"""The same head with one attribute moved."""

from dataclasses import replace

import numpy as np
import pytest

from oodinv.portraits import PortraitsError, counterfactual, labels, sample_params, to_vector
from oodinv.portraits.counterfactuals import COUNTERFACTUAL_ATTRIBUTES, label_deviation, parse_counterfactual

MIDDLE = {"smile": 0.3, "age": 0.8, "gender": 0.5, "yaw": 0.0, "jaw_open": 0.3}


@pytest.mark.parametrize("name", COUNTERFACTUAL_ATTRIBUTES)
@pytest.mark.parametrize("amount", [-1.0, 0.5, 1.0])
def test_one_label_moves_by_so_many_deviations_and_no_other_does(name, amount):
    params = replace(sample_params(3), **MIDDLE)
    moved = counterfactual(params, name, amount)
    before, after = labels(params), labels(moved.params)
    assert after[name] - before[name] == pytest.approx(amount * label_deviation(name), rel=1e-4)
    assert moved.amount == pytest.approx(amount, rel=1e-4)
    assert {label for label in before if before[label] != after[label]} == {name}
    assert (to_vector(moved.params) != to_vector(params)).sum() == 1


@pytest.mark.parametrize("name", COUNTERFACTUAL_ATTRIBUTES)
def test_at_the_end_of_the_range_the_true_difference_is_told(name):
    params = replace(sample_params(3), **MIDDLE)
    up, down = (counterfactual(params, name, amount) for amount in (9.0, -9.0))
    assert 0 < up.amount < 9 and -9 < down.amount < 0
    assert up.difference == pytest.approx(labels(up.params)[name] - labels(params)[name])
    again = counterfactual(up.params, name, 1.0)
    assert again.amount == 0 and again.params == up.params


def test_a_deviation_is_that_of_the_label_among_training_portraits():
    yaws = [labels(sample_params(seed))["yaw"] for seed in range(1000)]
    assert label_deviation("yaw") == pytest.approx(np.std(yaws))


def test_names_are_read_with_their_sign():
    assert parse_counterfactual("mouth_open+1.5") == ("mouth_open", 1.5)
    assert parse_counterfactual("yaw-2") == ("yaw", -2.0)


@pytest.mark.parametrize("text", ["yaw", "yaw2", "yaw+", "roll+1", "yaw+0", "yaw+nan", "../yaw+1"])
def test_other_names_are_refused(text):
    with pytest.raises(PortraitsError, match="expected a counterfactual such as"):
        parse_counterfactual(text)


def test_an_unknown_attribute_or_amount_is_refused():
    with pytest.raises(PortraitsError, match="unknown attribute 'roll'"):
        counterfactual(sample_params(0), "roll", 1.0)
    with pytest.raises(PortraitsError, match="expected a number of standard deviations"):
        counterfactual(sample_params(0), "yaw", float("nan"))


def test_a_counterfactual_changes_the_face_and_not_the_background(studio):
    params = replace(sample_params(2_000_011), **MIDDLE)
    options = {"accessory": "glasses/round", "background": "busy", "size": 96, "seed": 5}
    before = studio.render(params, **options)
    for name in ("smile", "mouth_open"):
        after = studio.render(counterfactual(params, name, 1.0).params, **options)
        changed = (before.photo != after.photo).any(axis=-1)
        assert changed.any() and not changed[:25].any()  # nothing happens above the brows
        away = (before.silhouette == 0) & (after.silhouette == 0)
        away &= (before.accessory_mask == 0) & (after.accessory_mask == 0)
        assert not changed[away].any()
    turned = studio.render(counterfactual(params, "yaw", 1.0).params, **options)
    away = (before.silhouette == 0) & (turned.silhouette == 0)
    away &= (before.accessory_mask == 0) & (turned.accessory_mask == 0)
    np.testing.assert_array_equal(before.photo[away], turned.photo[away])
    assert away.mean() > 0.2
    assert (turned.accessory_mask != before.accessory_mask).any()  # the glasses turn with the head
    held = {**options, "accessory": "microphone/studio"}
    before, turned = (
        studio.render(params, **held),
        studio.render(counterfactual(params, "yaw", 1.0).params, unchanged=params, **held),
    )
    both = (before.accessory_mask == 255) & (turned.accessory_mask == 255)
    # Nobody's hand turns with the head: the microphone stays, but for what the face now hides or shows of it.
    assert both.sum() > 0.8 * (before.accessory_mask == 255).sum() > 30
    assert np.abs(before.photo[both].astype(int) - turned.photo[both]).mean() < 1
    nose_before, nose_after = (p.landmarks[30, 0] - p.landmarks[36:48, 0].mean() for p in (before, turned))
    assert nose_after > nose_before + 2
