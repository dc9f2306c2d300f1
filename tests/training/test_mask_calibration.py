import pytest
import torch

from oodinv.models.decomposition import DecompositionConfig, calibrate_mask
from oodinv.training.mask_calibration import fit_calibration


def _pixels(scale: float, bias: float, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks, and truths drawn so that the calibrated mask is their probability."""
    rng = torch.Generator().manual_seed(seed)
    mask = torch.rand(4, 1, 128, 128, generator=rng) * 0.98 + 0.01
    truth = (torch.rand(mask.shape, generator=rng) < calibrate_mask(mask, (scale, bias))).float()
    return mask, truth


@pytest.mark.parametrize("asked", [(2.4, -1.0), (0.5, 1.5), (1.0, 0.0)])
def test_it_finds_the_scale_and_bias_that_the_truth_was_drawn_with(asked):
    mask, truth = _pixels(*asked)
    halves = [(mask[:2], truth[:2], torch.ones(2, 1, 128, 128)), (mask[2:], truth[2:], torch.ones(2, 1, 128, 128))]
    assert fit_calibration(halves) == pytest.approx(asked, abs=0.06)


def test_pixels_without_weight_do_not_count():
    (mask, truth), (other, wrong) = _pixels(2.0, -1.0), _pixels(1.0, 3.0, seed=1)
    alone = fit_calibration([(mask, truth, torch.ones_like(mask))])
    both = fit_calibration([(mask, truth, torch.ones_like(mask)), (other, wrong, torch.zeros_like(other))])
    assert both == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_there_is_nothing_to_tell_apart_masks_stay(value):
    mask = torch.rand(1, 1, 32, 32)
    assert fit_calibration([(mask, torch.full_like(mask, value), torch.ones_like(mask))]) == (1.0, 0.0)


def test_masks_that_are_wrong_all_over_are_not_turned_round():
    mask, truth = _pixels(2.0, 0.0)
    assert fit_calibration([(mask, 1 - truth, torch.ones_like(mask))]) == (1.0, 0.0)


def test_a_calibrated_mask_keeps_its_order_and_its_ends():
    mask = torch.linspace(0, 1, 121).view(1, 1, 11, 11)
    found = calibrate_mask(mask, (2.4, -1.0))
    order = found.flatten()
    assert order[0] == 0 and order[-1] == 1 and (order.diff() > 0).all()
    expected = torch.sigmoid(2.4 * torch.logit(mask.flatten()[1:-1]) - 1.0)
    torch.testing.assert_close(order[1:-1], expected)
    assert calibrate_mask(mask, (1.0, 0.0)) is mask


@pytest.mark.parametrize("calibration", [(0.0, 1.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_what_is_no_calibration_is_refused(calibration):
    with pytest.raises(ValueError, match="scale above 0 and a bias"):
        DecompositionConfig(
            levels=(8,), generator_channels=(4,), encoder_channels=(4,), width=8, calibration=calibration
        )
