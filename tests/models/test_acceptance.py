"""Facts about the published method that hold for any weights, and where each is tested.

| what holds | tests; in this module unless another one is named |
| --- | --- |
| 1. names, shapes and numbers of weights | `test_the_weights_…`; a level alone: `test_decomposition` |
| 2. gate, blur | `test_…_impulse_…`, `…_dark_border`; `test_decomposition`: `test_the_gate_…`, `test_the_shifted_…` |
| 3. the released warp of a ramp | `test_a_ramp_under_a_zero_flow_…`; its corners: `test_warping` |
| 4. masks of 0 give the generator, masks of 1 the input | `test_a_mask_of_zero_…`, `test_a_mask_of_one_…` |
| 5. levels and learning rate by iteration | `test_the_levels_…`, `test_the_rate_…`; in a training: `test_schedule` |
| 6. the logits' mean is a constant | `test_no_photo_changes_the_mean_…` |
| 7. what masks cost | `test_undecided_masks_…`; one mask alone: `test_losses` |
| 8. what gets a gradient | `test_only_active_levels_…`; in a training: `test_schedule`, `test_resume` |

With all of it together, for given weights: `test_golden`.
"""

from dataclasses import replace
from math import prod

import pytest
import torch
import torch.nn.functional as F
from full_size import full_size_shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundle import ENCODER, GENERATOR

from oodinv.bundles.formats.released import KERNELS, UNUSED, rows
from oodinv.bundles.formats.table import matches, their_names, weights_of
from oodinv.bundles.spec import decomposition_config
from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig, blur, compose_masks
from oodinv.models.e4e import Encoder
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import Generator
from oodinv.models.warping import warp
from oodinv.training.losses import released_mask_loss
from oodinv.training.schedule import released_levels, released_rate

PUBLISHED = DecompositionConfig(
    levels=(32, 64, 128, 256),
    generator_channels=(512, 512, 256, 128),
    encoder_channels=(256, 128, 64, 64),
    choices=Choices.paper(),
)


@pytest.fixture
def model():
    """A tiny model of three levels in the paper's setting."""
    torch.manual_seed(0)
    shape = decomposition_config(GENERATOR, ENCODER, levels=(8, 16, 32), choices=Choices.paper())
    model = InversionModel(Encoder(ENCODER), Generator(GENERATOR), Decomposition(shape))
    for conv in model.generator.convs:
        conv.noise_strength.data.fill_(0.1)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def force_masks(decomposition, logit):
    """Every level's logit of the mask, whatever it sees; the flows stay as they are."""
    for level in decomposition.levels.values():
        for norm in (level.head.body[-1], level.head.shortcut[-1]):
            norm.weight.data[2] = 0
            norm.bias.data[2] = logit / 2


def test_the_weights_have_the_published_names_shapes_and_numbers():
    file = {name: shape for name, shape in full_size_shapes(1024).items() if "modulation" in name or "feats" in name}
    assert (len(file), sum(map(prod, file.values()))) == (140, 48_636_360)  # with stray weights of the generator
    read = {name for name in file if not name.startswith("generator.")}
    read = {name for name in read if not any(matches(pattern, name) for pattern in (*KERNELS, *UNUSED))}
    weights = weights_of(lambda: Decomposition(PUBLISHED))
    names = their_names(rows(PUBLISHED.levels), weights)
    assert {theirs: row.shape(weights[ours]) for ours, (theirs, row) in names.items()} == {n: file[n] for n in read}
    numbers = {name: prod(shape) for name, shape in weights.items()}
    projections = sum(number for name, number in numbers.items() if "project_encoder" in name)
    assert (projections, sum(numbers.values()) - projections) == (222_592, 43_751_552)


def test_the_shifted_blur_moves_an_impulse_half_a_pixel():
    impulse = torch.zeros(1, 1, 32, 32)
    impulse[0, 0, 16, 16] = 1
    out = blur(impulse, "shifted")[0, 0]
    for profile in (out.sum(dim=0), out.sum(dim=1)):
        assert profile.nonzero().flatten().tolist() == [15, 16, 17, 18]
        assert (profile * torch.arange(32)).sum().item() == pytest.approx(16.5)


def test_masks_that_are_one_before_the_blur_have_the_published_dark_border():
    torch.manual_seed(0)
    net = Decomposition(replace(PUBLISHED, generator_channels=(2,) * 4, encoder_channels=(2,) * 4)).eval()
    force_masks(net, 200)
    found = None
    masks = []
    with torch.inference_mode():
        for side in PUBLISHED.levels:
            level = net.level(side)
            found = level(torch.randn(1, 2, side, side), level.guide(torch.randn(1, 2, side, side), None), found)
            masks.append(found.mask)
        mask = compose_masks(masks, 1024)[0, 0]
    # Measured on the released implementation with two rounds.
    assert mask[512, [0, 4, 8, 16, 1023]].tolist() == pytest.approx([0.50, 0.59, 0.76, 0.94, 0.875], abs=0.006)
    assert mask[512, 24:-8].min() > 0.99
    assert mask[0, 0].item() == pytest.approx(0.25, abs=0.006)


@pytest.mark.parametrize(
    ("width", "values"), [(32, [0, 0.53226, 1.56452, 15.5]), (256, [0, 0.50392, 1.50784, 127.5])], ids=str
)
def test_a_ramp_under_a_zero_flow_is_the_released_one(width, values):
    ramp = torch.arange(float(width)).expand(1, 1, width, width).contiguous()
    row = warp(ramp, torch.zeros(1, 2, width, width), align_corners=False, padding="zeros")[0, 0, width // 2]
    assert row[[0, 1, 2, -1]].tolist() == pytest.approx(values, abs=1e-4)


def test_a_mask_of_zero_gives_the_plain_generator_whatever_the_flow(model, crop):
    force_masks(model.decomposition, -400)
    inversion = model.invert(crop, plain=True)
    assert all(level.flow.abs().max() > 0.01 for level in inversion.levels.values())
    assert torch.equal(inversion.generated, inversion.plain)
    assert torch.equal(inversion.reconstruction, inversion.plain)


def test_a_mask_of_one_gives_the_input(model, crop):
    inversion = model.invert(crop)
    # Set after the blur, which darkens the border of any mask.
    levels = {r: replace(level, mask=torch.ones_like(level.mask)) for r, level in inversion.levels.items()}
    kept = model.edit(replace(inversion, levels=levels), torch.ones(1, 8, 24), composition="reuse")
    assert torch.equal(kept.reconstruction, crop)
    assert not torch.equal(kept.generated, inversion.generated)


@pytest.mark.parametrize(
    ("first", "last", "levels"),
    [(1, 2_000, (32,)), (2_001, 6_000, (32, 64)), (6_001, 10_000, (32, 64, 128)), (10_001, 10**6, (32, 64, 128, 256))],
)
def test_the_levels_join_when_they_did(first, last, levels):
    assert released_levels(first) == released_levels(last) == levels


def test_levels_beyond_the_fourth_join_with_it():
    assert released_levels(10_000, (4, 8, 16, 32, 64)) == (4, 8, 16)
    assert released_levels(10_001, (4, 8, 16, 32, 64)) == (4, 8, 16, 32, 64)


@pytest.mark.parametrize(
    ("iteration", "rate"),
    [(1, 2e-5), (14_999, 2e-5), (15_000, 1.5e-5), (60_000, 6.328e-6), (100_000, 3.560e-6), (410_000, 8.467e-9)],
)
def test_the_rate_falls_as_it_did(iteration, rate):
    assert released_rate(iteration) == pytest.approx(rate, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 1e3))
def test_no_photo_changes_the_mean_of_the_logits(seed, scale):
    torch.manual_seed(seed)
    shape = replace(PUBLISHED, generator_channels=(6,) * 4, encoder_channels=(4,) * 4, num_iterations=1)
    level = Decomposition(shape).level(32)
    for norm in (level.head.body[-1], level.head.shortcut[-1]):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    logits = []
    level.head.register_forward_hook(lambda module, inputs, output: logits.append(output))
    with torch.inference_mode():
        level(scale * torch.randn(2, 6, 32, 32), level.guide(scale * torch.rand(2, 4, 32, 32), None), None)
    expected = level.head.body[-1].bias + level.head.shortcut[-1].bias
    torch.testing.assert_close(logits[0].mean(dim=(2, 3)), expected.detach().expand(2, 3), atol=1e-4, rtol=0)


def test_undecided_masks_cost_what_they_did():
    levels = {side: torch.full((2, 1, side, side), 0.5) for side in PUBLISHED.levels}
    final = torch.full((2, 1, 512, 512), 0.5)
    assert released_mask_loss(levels, final, binary_weight=0.0).item() == pytest.approx(6.5)
    assert released_mask_loss(levels, final).item() == pytest.approx(6.5 + 0.5)
    assert released_mask_loss({32: levels[32]}, final, binary_weight=0.0).item() == pytest.approx(5 * (0.2 + 0.3))


def test_a_small_mask_pays_for_its_undecided_pixels_only():
    mask = torch.zeros(2, 1, 32, 32)
    mask[:, :, :3] = 0.9
    for masks in ({}, {32: mask}):
        cost = released_mask_loss(masks, mask).item()
        assert cost == pytest.approx(5 * 0.04 * 0.1 * 3 / 32 * (1 + len(masks)), rel=1e-4)


def test_only_active_levels_get_a_gradient(model, crop):
    model.decomposition.requires_grad_(True)
    encoding = model.encode(crop)
    inversion = model.align(crop, encoding.delta_w, encoding.feature_maps, None, active_levels=(8, 16))
    assert sorted(inversion.levels) == [8, 16]
    F.mse_loss(inversion.reconstruction, crop).backward()
    for name, parameter in model.named_parameters():
        active = name.startswith(("decomposition.levels.8.", "decomposition.levels.16."))
        assert (parameter.grad is not None) == active, name
    for level in (8, 16):
        projection = model.decomposition.level(level).project_encoder.weight
        assert projection.grad.abs().max() > 0


def test_levels_that_are_not_active_leave_the_generator_as_it_is(model, crop):
    encoding = model.encode(crop)
    parts = crop, encoding.delta_w, encoding.feature_maps, None
    none, one = model.align(*parts, active_levels=()), model.align(*parts, active_levels=(8,))
    assert torch.equal(none.generated, model.generator.synthesise(encoding.delta_w))
    assert none.ood_mask.max() == 0
    assert torch.equal(one.ood_mask, compose_masks([one.levels[8].mask], 32))
    every, all_named = model.align(*parts), model.align(*parts, active_levels=(8, 16, 32))
    assert torch.equal(every.reconstruction, all_named.reconstruction)
    edited = model.edit(one, torch.zeros(1, 8, 24))
    assert sorted(edited.levels) == [8] and torch.equal(edited.generated, one.generated)


def test_a_level_the_decomposition_does_not_have_is_refused(model, crop):
    encoding = model.encode(crop)
    with pytest.raises(ValueError, match=r"among the decomposition's \[8, 16, 32\], got \(8, 64\)"):
        model.align(crop, encoding.delta_w, encoding.feature_maps, None, active_levels=(8, 64))
