import math

import numpy as np
import pytest
import torch

from oodinv.metrics.auroc import auroc
from oodinv.metrics.iou import iou
from oodinv.metrics.psnr import psnr


def test_psnr_of_a_constant_error_is_the_closed_form():
    image = torch.zeros(1, 3, 4, 4)
    assert psnr(image + 0.2, image).item() == pytest.approx(20 * math.log10(2 / 0.2), abs=1e-4)


def test_psnr_counts_only_weighted_pixels():
    image, target = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    image[..., :2, :] = 1
    weight = torch.zeros(1, 1, 4, 4)
    weight[..., 2:, :] = 1
    assert psnr(image, target, weight).item() == math.inf
    assert psnr(image, target, torch.zeros(1, 1, 4, 4)).isnan().item()


def test_auroc_is_one_for_a_perfect_half_for_a_constant_and_counts_ties_half():
    truth = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.8, 0.2, 0.1]), truth) == 1
    assert auroc(np.zeros(4), truth) == 0.5
    assert auroc(np.array([0.5, 0.5, 0.5, 0.1]), truth) == 0.75
    assert math.isnan(auroc(np.zeros(2), np.array([True, True])))


def test_auroc_equals_the_count_of_ordered_pairs():
    rng = np.random.default_rng(0)
    score, truth = rng.integers(0, 20, 200) / 20, rng.random(200) < 0.3
    pairs = score[truth][:, None] - score[~truth][None]
    assert auroc(score, truth) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def test_iou_of_half_overlapping_halves_is_a_third_and_one_where_only_the_overlap_counts():
    a, b, counted = np.zeros((2, 4, 4), bool), np.zeros((2, 4, 4), bool), np.ones((2, 4, 4), bool)
    a[..., :2], b[..., 1:3] = True, True
    counted[1, :, [0, 2]] = False
    assert iou(a, b, counted) == pytest.approx([1 / 3, 1])


def test_iou_is_zero_where_nothing_is_found_and_absent_where_there_is_nothing_to_find():
    nothing, everything = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    assert iou(nothing, everything, everything) == 0
    assert np.isnan(iou(everything, nothing, everything)) and np.isnan(iou(everything, everything, nothing))
