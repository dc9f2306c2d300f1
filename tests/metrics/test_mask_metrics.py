import math

import numpy as np
import pytest
import torch

from oodinv.metrics.absolute_error import absolute_error
from oodinv.metrics.attribute_gain import AttributeGain, slope
from oodinv.metrics.auroc import auroc
from oodinv.metrics.binned_auroc import BinnedAuroc, auroc_per_image
from oodinv.metrics.blurred_error import blurred_error
from oodinv.metrics.calibration import Calibration


def test_the_binned_area_is_the_exact_one_also_where_masks_saturate():
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.2
    score = 1 / (1 + np.exp(-(rng.standard_normal(20_000) * 3 + 6 * truth - 6)))
    binned = BinnedAuroc()
    for part in np.array_split(np.arange(20_000), 7):
        binned.add(score[part], truth[part])
    assert binned.value() == pytest.approx(auroc(score, truth), abs=1e-4)


def test_a_constant_is_chance_and_one_class_alone_has_no_area():
    binned = BinnedAuroc()
    binned.add(np.ones(4), np.array([True, True, True, True]))
    assert math.isnan(binned.value())
    binned.add(np.ones(3), np.array([False, False, False]))
    assert binned.value() == 0.5


def test_areas_per_image_look_at_the_counted_pixels_alone():
    score = np.array([[[0.9, 0.1], [0.0, 1.0]], [[0.2, 0.2], [0.2, 0.2]]])
    positive = np.array([[[True, False], [False, False]], [[True, True], [True, True]]])
    counted = np.array([[[True, True], [True, False]], [[True, True], [True, True]]])
    found = auroc_per_image(score, positive, counted)
    assert found[0] == 1 and math.isnan(found[1])


def test_a_calibrated_mask_has_no_calibration_error_and_a_constant_misses_by_the_share():
    rng = np.random.default_rng(0)
    score = np.repeat(np.array([0.1, 0.5, 0.9]), 1000)
    truth = np.concatenate([np.arange(1000) < 1000 * p for p in (0.1, 0.5, 0.9)])
    order = rng.permutation(3000)
    calibration = Calibration()
    calibration.add(score[order], truth[order])
    curve = calibration.reliability()
    assert curve.ece == pytest.approx(0, abs=1e-12) and curve.observed == pytest.approx([0.1, 0.5, 0.9])
    ones = Calibration()
    ones.add(np.ones(3000), truth)
    assert ones.reliability().ece == pytest.approx(1 - truth.mean())
    assert math.isnan(Calibration().reliability().ece)


def test_the_absolute_error_is_in_steps_of_colour_and_counts_the_weighted():
    image, target = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    image[..., :2] = 2 / 255
    half = torch.zeros(1, 1, 4, 4)
    half[..., :2] = 1
    assert absolute_error(image, target).item() == pytest.approx(0.5)
    assert absolute_error(image, target, half).item() == pytest.approx(1.0)


def test_a_slope_is_found_over_strengths_of_both_signs():
    before = np.random.default_rng(0).standard_normal((5, 2))
    strengths = np.array([-2.0, -1.0, 1.0, 2.0])
    after = before[None] + strengths[:, None, None] * np.array([0.8, -0.1])
    assert slope(before, after, strengths) == pytest.approx([0.8, -0.1])
    with pytest.raises(ValueError, match="other than 0"):
        slope(before, before[None], np.array([0.0]))


def test_leakage_is_the_mean_of_others_over_the_gain():
    slopes = np.array([[0.8, -0.2, 0.0], [0.1, 0.5, 0.3]])
    found = AttributeGain(edits=("smile", "age"), attributes=("smile", "age", "yaw"), slopes=slopes)
    assert found.gain("smile") == 0.8 and found.leakage("smile") == pytest.approx(0.1 / 0.8)
    assert found.leakage("age") == pytest.approx(0.2 / 0.5)
    unmeasured = AttributeGain(edits=("blink",), attributes=("smile",), slopes=np.array([[0.1]]))
    assert math.isnan(unmeasured.gain("blink")) and math.isnan(unmeasured.leakage("blink"))


def test_the_baseline_is_the_error_averaged_over_five_by_five():
    crop = torch.zeros(1, 3, 9, 9)
    plain = crop.clone()
    plain[..., 4, 4] = 1
    blurred = blurred_error(plain, crop)
    assert blurred.shape == (1, 1, 9, 9)
    assert blurred[0, 0, 4, 4].item() == pytest.approx(1 / 25) and blurred[0, 0, 1, 1].item() == 0
