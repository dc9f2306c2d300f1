from dataclasses import replace

import pytest
import torch

from oodinv.bundles.spec import decomposition_config
from oodinv.models.decomposition import Alignment, Choices, Decomposition
from oodinv.models.discriminator import Discriminator
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.inversion import InversionModel
from oodinv.models.refinement import refine_mask
from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training.generator import grow

GENERATOR = GeneratorConfig(
    resolution=32, channel_base=512, channel_max=16, style_dim=24, z_dim=20, num_mapping_layers=2
)
ENCODER = EncoderConfig(
    num_layers=8,
    style_dim=24,
    input_resolution=32,
    stem_width=8,
    widths=(8, 12, 16, 16),
    units=(1, 1, 1, 1),
    head_width=16,
)


def make_model(**choices):
    torch.manual_seed(0)
    shape = decomposition_config(
        GENERATOR, ENCODER, levels=(8, 16), width=8, max_displacement=0.1, choices=Choices(**choices)
    )
    model = InversionModel(Encoder(ENCODER), Generator(GENERATOR), Decomposition(shape))
    for name, parameter in model.decomposition.named_parameters():
        if "head" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    for conv in model.generator.convs:
        conv.noise_strength.data.fill_(0.1)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_two_crops_in_a_batch_equal_two_batches_of_one(model, crop):
    both = model.invert(crop)
    for index in range(2):
        one = model.invert(crop[index : index + 1])
        for field in ("w_plus", "generated", "ood_mask", "reconstruction"):
            torch.testing.assert_close(
                getattr(one, field), getattr(both, field)[index : index + 1], atol=2e-4, rtol=1e-4
            )


def test_an_edit_of_nothing_is_the_inversion(model, crop):
    inversion = model.invert(crop)
    edited = model.edit(inversion, torch.zeros(1, 8, 24))
    assert torch.equal(edited.generated, inversion.generated)
    assert torch.equal(edited.ood_mask, inversion.ood_mask)


def test_an_edit_moves_the_styles_and_leaves_the_inversion_alone(model, crop):
    inversion = model.invert(crop)
    before = inversion.w_plus.clone()
    edited = model.edit(inversion, torch.ones(1, 8, 24))
    torch.testing.assert_close(edited.w_plus, before + 1)
    assert torch.equal(inversion.w_plus, before)
    assert (edited.generated - inversion.generated).abs().max() > 1e-3


def test_repredicting_gives_the_edit_masks_of_its_own(crop):
    model = make_model(edit_composition="repredict")
    inversion = model.invert(crop)
    edited = model.edit(inversion, torch.full((1, 8, 24), 2.0))
    assert not torch.equal(edited.ood_mask, inversion.ood_mask)


def test_without_flow_the_generated_image_is_the_plain_one(model, crop):
    inversion = model.invert(crop)
    still = {r: Alignment(flow=torch.zeros_like(a.flow), mask=a.mask) for r, a in inversion.levels.items()}
    same = model.edit(replace(inversion, levels=still), torch.zeros(1, 8, 24))
    torch.testing.assert_close(same.generated, inversion.plain, atol=1e-4, rtol=1e-4)


def test_with_a_gated_warp_a_mask_of_zero_gives_the_plain_generator(crop):
    model = make_model(gate_warp=True)
    inversion = model.invert(crop)
    closed = {r: Alignment(flow=a.flow, mask=torch.zeros_like(a.mask)) for r, a in inversion.levels.items()}
    result = model.edit(replace(inversion, levels=closed), torch.zeros(1, 8, 24))
    assert torch.equal(result.generated, inversion.plain)
    assert result.ood_mask.max() == 0
    assert torch.equal(result.reconstruction, inversion.plain)


def test_fixed_noise_repeats_and_random_noise_follows_its_source(model):
    w_plus = torch.randn(1, 8, 24, generator=torch.Generator().manual_seed(2))
    draw = model.generator.synthesise
    assert torch.equal(draw(w_plus), draw(w_plus))
    assert not torch.equal(draw(w_plus), draw(w_plus, noise="none"))
    first = draw(w_plus, noise="random", rng=torch.Generator().manual_seed(3))
    assert torch.equal(first, draw(w_plus, noise="random", rng=torch.Generator().manual_seed(3)))
    assert not torch.equal(first, draw(w_plus, noise="random", rng=torch.Generator().manual_seed(4)))


def test_crops_of_another_size_are_refused(model):
    with pytest.raises(ValueError, match="32 pixels wide"):
        model.invert(torch.zeros(1, 3, 64, 64))


def test_parts_of_different_models_are_refused():
    with pytest.raises(ValueError, match="not of one model"):
        InversionModel(Encoder(replace(ENCODER, num_layers=10)), Generator(GENERATOR), make_model().decomposition)


def test_a_grown_generator_draws_the_same_picture_upsampled():
    torch.manual_seed(0)
    small = Generator(GENERATOR)
    large = grow(small, 64)
    z = torch.randn(2, 20)
    low = small.synthesise(small.map(z))
    high = large.synthesise(large.map(z))
    assert high.shape == (2, 3, 64, 64)
    centre = torch.nn.functional.avg_pool2d(high, 2)[..., 4:-4, 4:-4]
    assert (centre - low[..., 4:-4, 4:-4]).abs().mean() < 0.35 * low.std()


def test_the_published_sizes_have_the_published_number_of_weights():
    with torch.device("meta"):
        encoder, generator = Encoder(EncoderConfig()), Generator(GeneratorConfig(resolution=1024))
    # The released state dict has 267.16 M scalars for the encoder and 33.17 M for the generator, noise included.
    assert sum(t.numel() for t in encoder.state_dict().values()) / 1e6 == pytest.approx(267.16, abs=0.01)
    assert sum(t.numel() for t in generator.state_dict().values()) / 1e6 == pytest.approx(33.17, abs=0.01)
    assert generator.config.num_layers == 18


def test_the_discriminator_scores_each_image():
    assert Discriminator(GENERATOR)(torch.rand(4, 3, 32, 32)).shape == (4,)


@pytest.mark.parametrize("resolution", [4, 48])
def test_a_resolution_the_architecture_cannot_have_is_refused(resolution):
    with pytest.raises(ValueError, match="power of two"):
        GeneratorConfig(resolution=resolution)


@pytest.mark.parametrize("composition", ["reuse", "repredict", "minimum", "follow"])
def test_an_inversion_without_guides_is_edited_to_the_same_picture(model, crop, composition):
    inversion = model.invert(crop)
    offset = torch.full((1, 8, 24), 0.5)
    expected = model.edit(inversion, offset, composition=composition)
    found = model.edit(replace(inversion, guides={}), offset, composition=composition)
    assert torch.equal(found.generated, expected.generated) and torch.equal(found.ood_mask, expected.ood_mask)


def test_edits_of_edits_add_up_in_every_space(model, crop):
    inversion = model.invert(crop)
    rng = torch.Generator().manual_seed(8)
    style = torch.randn(1, model.generator.num_style_channels, generator=rng)
    offset, nothing = torch.randn(1, 8, 24, generator=rng), torch.zeros(1, 8, 24)
    at_once = model.edit(inversion, offset, style_offset=style)
    first = model.edit(inversion, nothing, style_offset=style)
    assert (first.generated - inversion.generated).abs().max() > 0.01
    assert torch.equal(model.edit(first, nothing).generated, first.generated)
    torch.testing.assert_close(model.edit(first, offset).generated, at_once.generated)
    torch.testing.assert_close(
        model.edit(first, nothing, style_offset=-style).generated, inversion.generated, atol=1e-4, rtol=1e-4
    )


def test_a_refined_mask_is_the_levels_mask_fitted_to_what_is_kept(model, crop):
    refining = make_model(refine_mask=True)
    rough, fine = model.invert(crop), refining.invert(crop)
    assert torch.equal(fine.generated, rough.generated)
    for resolution, level in rough.levels.items():
        assert torch.equal(fine.levels[resolution].mask, level.mask)
    assert torch.equal(fine.ood_mask, refine_mask(rough.ood_mask, crop))
    assert (fine.ood_mask - rough.ood_mask).abs().max() > 1e-3
    # An edit that keeps the inversion's mask keeps the fitted one; one that moves the photo fits it to the moved photo.
    offset = 0.3 * torch.randn(1, 8, 24, generator=torch.Generator().manual_seed(2))
    assert torch.equal(refining.edit(fine, offset, composition="reuse").ood_mask, fine.ood_mask)
    moved, rough_moved = (m.edit(i, offset, composition="follow") for m, i in ((refining, fine), (model, rough)))
    assert torch.equal(moved.ood_mask, refine_mask(rough_moved.ood_mask, moved.kept))
