import math

import pytest
import torch
import torch.nn.functional as F

from oodinv.training.mask_losses import balanced_cross_entropy, overlap_loss


def halves(share):
    """A region of a share of the pixels, and the rest."""
    region = torch.zeros(1, 1, 10, 10)
    region.view(-1)[: round(share * 100)] = 1
    return region, 1 - region


def test_without_balance_it_is_the_mean_cross_entropy():
    mask = torch.rand(2, 1, 10, 10, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    truth = (mask > 0.6).float()
    regions = [region.expand(2, 1, 10, 10) for region in halves(0.3)]
    expected = F.binary_cross_entropy(mask, truth).item()
    assert balanced_cross_entropy(mask, truth, regions, balance=0.0).item() == pytest.approx(expected, rel=1e-5)


def test_with_full_balance_a_small_region_counts_as_much_as_the_rest():
    small, rest = halves(0.04)
    mask = 0.5 * small + 0.25 * rest
    loss = balanced_cross_entropy(mask, small, [small, rest], balance=1.0).item()
    assert loss == pytest.approx((math.log(2) - math.log(0.75)) / 2, rel=1e-4)


def test_half_way_the_weights_are_the_roots_of_the_areas():
    small, rest = halves(0.25)
    mask = 0.5 * small + 0.25 * rest
    weights = 0.25**0.5, 0.75**0.5
    expected = (weights[0] * math.log(2) - weights[1] * math.log(0.75)) / sum(weights)
    assert balanced_cross_entropy(mask, small, [small, rest], balance=0.5).item() == pytest.approx(expected, rel=1e-4)


def test_what_no_region_holds_is_not_looked_at_and_empty_regions_do_no_harm():
    small, rest = halves(0.25)
    mask = (0.7 * torch.ones_like(small)).requires_grad_(True)
    nothing = torch.zeros_like(small)
    for balance in (0.0, 0.5, 1.0):
        loss = balanced_cross_entropy(mask, small, [small, nothing], balance=balance)
        assert loss.item() == pytest.approx(-math.log(0.7), rel=1e-5)
        (gradient,) = torch.autograd.grad(loss, mask)
        assert (gradient[rest > 0] == 0).all() and torch.isfinite(gradient).all()
    assert balanced_cross_entropy(mask, small, [nothing], balance=0.5).item() == 0


def test_a_mask_of_exactly_0_or_1_costs_no_infinity():
    small, rest = halves(0.25)
    assert math.isfinite(balanced_cross_entropy(rest, small, [small, rest], balance=0.5).item())


@pytest.mark.parametrize(("mask", "expected"), [("cover", 0.0), ("nothing", 1.0), ("everything", 0.8), ("half", 2 / 3)])
def test_the_overlap_loss_is_one_minus_intersection_over_union(mask, expected):
    cover, rest = halves(0.2)
    masks = {"cover": cover, "nothing": 0 * cover, "everything": cover + rest, "half": torch.full_like(cover, 0.5)}
    # half: intersection 10, union 100 · 0.5 + 20 - 10 = 60; with the whole image as the inside.
    expected = 1 - 10 / 60 if mask == "half" else expected
    assert overlap_loss(masks[mask], cover, torch.ones_like(cover)).item() == pytest.approx(expected, abs=1e-5)


def test_the_overlap_is_taken_inside_only():
    cover, rest = halves(0.2)
    assert overlap_loss(cover + rest, cover, cover).item() == pytest.approx(0, abs=1e-5)


def test_images_without_anything_to_overlap_with_are_left_out():
    cover, _ = halves(0.2)
    covers = torch.cat([cover, 0 * cover])
    masks = torch.cat([cover, torch.ones_like(cover)])
    assert overlap_loss(masks, covers, torch.ones_like(covers)).item() == pytest.approx(0, abs=1e-5)
    assert overlap_loss(masks[1:], covers[1:], torch.ones_like(cover)).item() == 0


def test_a_small_accessory_counts_as_much_as_a_large_one():
    masks = torch.full((2, 1, 10, 10), 0.0)
    covers = torch.cat([halves(0.02)[0], halves(0.5)[0]])
    assert overlap_loss(masks, covers, torch.ones_like(covers)).item() == pytest.approx(1)


@pytest.mark.parametrize(("certain", "truth"), [(1e-5, 1.0), (1 - 1e-5, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_a_mask_that_is_certain_of_what_is_wrong_is_pulled_back(certain, truth):
    mask = torch.full((1, 1, 2, 2), certain, requires_grad=True)
    everywhere = torch.ones(1, 1, 2, 2)
    balanced_cross_entropy(mask, truth * everywhere, [everywhere], balance=0.5).backward()
    assert torch.isfinite(mask.grad).all() and (mask.grad * (1 if truth == 0 else -1) > 1e4).all()
