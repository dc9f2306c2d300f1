import numpy as np
import pytest
import torch

from oodinv.metrics.ssim import SCALE_WEIGHTS, largest_num_scales, ms_ssim, ssim


def by_hand(a, b):
    """Similarity and contrast of one channel in [-1, 1] at every whole window, in float64, window by window."""
    at = np.arange(11) - 5
    row = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    similarity, contrast = [], []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
            both = (window * (p - mean_p) * (q - mean_q)).sum()
            contrast.append((2 * both + 0.06**2) / (var_p + var_q + 0.06**2))
            luminance = (2 * mean_p * mean_q + 0.02**2) / (mean_p**2 + mean_q**2 + 0.02**2)
            similarity.append(luminance * contrast[-1])
    return np.mean(similarity), np.mean(contrast)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (1, 3, 26, 24))
    return a, (0.8 * a + 0.1 * rng.standard_normal(a.shape)).clip(-1, 1)


def test_ssim_equals_the_formula_window_by_window(pair):
    expected = np.mean([by_hand(*channels)[0] for channels in zip(*(part[0] for part in pair), strict=True)])
    assert ssim(*map(torch.from_numpy, pair)).item() == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_two_scales_equals_the_formula(pair):
    halved = [part.reshape(1, 3, 13, 2, 12, 2).mean(axis=(3, 5)) for part in pair]
    fine = np.mean([by_hand(*channels)[1] for channels in zip(*(part[0] for part in pair), strict=True)])
    coarse = np.mean([by_hand(*channels)[0] for channels in zip(*(part[0] for part in halved), strict=True)])
    share = SCALE_WEIGHTS[0] / (SCALE_WEIGHTS[0] + SCALE_WEIGHTS[1])
    found = ms_ssim(*map(torch.from_numpy, pair), num_scales=2).item()
    assert found == pytest.approx(fine**share * coarse ** (1 - share), abs=1e-9)


def test_flat_pictures_differ_by_luminance_alone():
    a, b = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.25)
    expected = (2 * 0.5 * 0.25 + 0.02**2) / (0.5**2 + 0.25**2 + 0.02**2)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-5)


def test_the_same_picture_is_one_and_only_the_weighted_part_counts():
    torch.manual_seed(0)
    a = torch.rand(2, 3, 48, 48) * 2 - 1
    torch.testing.assert_close(ms_ssim(a, a), torch.ones(2))
    spoilt = a.clone()
    spoilt[..., :20] = 0
    left = torch.zeros(2, 1, 48, 48)
    left[..., :12] = 1
    torch.testing.assert_close(ssim(spoilt, a, 1 - torch.nn.functional.max_pool2d(left, 33, 1, 16)), torch.ones(2))
    assert (ssim(spoilt, a, left) < 0.5).all()
    assert ssim(a, a, torch.zeros(2, 1, 48, 48)).isnan().all()


def test_a_picture_holds_as_many_scales_as_windows_fit():
    assert [largest_num_scales(side) for side in (11, 22, 88, 128, 176, 1024)] == [1, 2, 4, 4, 5, 5]
    with pytest.raises(ValueError, match="at least 176 pixels"):
        ms_ssim(torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 128, 128), num_scales=5)
