import math

import pytest
import torch

from oodinv.training.losses import (
    discriminator_adversarial,
    generator_adversarial,
    mask_area_and_binary,
    multiscale_l1,
    r1_penalty,
)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_constant_difference_counts_once_per_scale():
    image = rand(2, 3, 16, 16)
    for scales in ((1,), (1, 2, 4), (1, 2, 4, 8)):
        loss = multiscale_l1(image + 0.25, image, torch.ones(2, 1, 16, 16), scales)
        assert loss.item() == pytest.approx(0.25 * len(scales), rel=1e-5)


def test_the_level_of_the_weight_does_not_matter_only_its_shape():
    image, other, weight = rand(2, 3, 16, 16), rand(2, 3, 16, 16, seed=1), rand(2, 1, 16, 16, seed=2)
    assert multiscale_l1(image, other, 5 * weight).item() == pytest.approx(multiscale_l1(image, other, weight).item())


def test_what_weighs_nothing_is_not_seen():
    image, weight = rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    weight[..., :8] = 0
    spoilt = image.clone()
    spoilt[..., :8] += 3
    assert multiscale_l1(spoilt, image, weight).item() == 0
    assert multiscale_l1(spoilt, image, 1 - weight).item() == pytest.approx(9)


def test_an_all_zero_weight_is_no_division_by_zero():
    assert multiscale_l1(rand(1, 3, 8, 8), rand(1, 3, 8, 8, seed=1), torch.zeros(1, 1, 8, 8)).item() == 0


def test_fine_stripes_are_seen_at_the_finest_scale_only():
    stripes = torch.ones(1, 3, 16, 16)
    stripes[..., ::2] = -1
    nothing, weight = torch.zeros_like(stripes), torch.ones(1, 1, 16, 16)
    assert multiscale_l1(stripes, nothing, weight, (2, 4)).item() == 0
    assert multiscale_l1(stripes, nothing, weight, (1,)).item() == 1


def test_undecided_logits_cost_the_logarithm_of_two():
    zero = torch.zeros(5)
    assert generator_adversarial(zero).item() == pytest.approx(math.log(2))
    assert discriminator_adversarial(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_a_sure_discriminator_pays_nothing_and_leaves_the_generator_the_bill():
    real, fake = torch.full((4,), 30.0), torch.full((4,), -30.0)
    assert discriminator_adversarial(real, fake).item() == pytest.approx(0, abs=1e-9)
    assert generator_adversarial(fake).item() == pytest.approx(30)


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    weights = rand(3, 8, 8) - 0.5
    real = rand(4, 3, 8, 8, seed=1).requires_grad_(True)
    logits = (real * weights).sum(dim=(1, 2, 3)) + 7
    assert r1_penalty(real, logits).item() == pytest.approx(weights.square().sum().item(), rel=1e-5)


def test_r1_can_be_minimised():
    real = rand(2, 3, 8, 8).requires_grad_(True)
    scale = torch.tensor(2.0, requires_grad=True)
    r1_penalty(real, scale * real.sum(dim=(1, 2, 3))).backward()
    assert scale.grad.item() == pytest.approx(2 * 2.0 * 3 * 64)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.0), (1.0, 0.3), (0.5, 0.04 * 0.5), (0.9, 0.2 + 0.04 * 0.1)])
def test_a_mask_pays_for_area_over_the_limit_and_for_being_undecided(value, expected):
    mask = torch.full((2, 1, 4, 4), value)
    assert mask_area_and_binary(mask, area_limit=0.7).item() == pytest.approx(expected, abs=1e-6)
