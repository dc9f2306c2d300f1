"""The composition `follow`: what an inversion keeps, moved along with an edit."""

from dataclasses import replace

import pytest
import torch
from tiny_bundle import NUM_LAYERS, SIZE, STYLE_DIM, tiny_model

from oodinv.models.decomposition import blend, compose_masks
from oodinv.models.motion import estimate_motion, follow, one_after_the_other, resize_flow
from oodinv.models.refinement import refine_mask

PIXEL = 2 / (SIZE - 1)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def offset():
    return torch.randn(1, NUM_LAYERS, STYLE_DIM, generator=torch.Generator().manual_seed(2))


def with_choice(model, composition):
    """The same networks with another default composition."""
    changed = tiny_model()
    choices = replace(changed.decomposition.config.choices, edit_composition=composition)
    changed.decomposition.config = replace(changed.decomposition.config, choices=choices)
    changed.load_state_dict(model.state_dict())
    return changed


def test_an_edit_of_nothing_is_what_reuse_gives_bit_for_bit(model, crop):
    inversion = model.invert(crop)
    nothing = torch.zeros(1, NUM_LAYERS, STYLE_DIM)
    reused, followed = (model.edit(inversion, nothing, composition=c) for c in ("reuse", "follow"))
    assert torch.equal(followed.motion, torch.zeros(2, 2, SIZE, SIZE))
    for field in ("generated", "ood_mask", "kept", "reconstruction"):
        assert torch.equal(getattr(followed, field), getattr(reused, field))
        assert torch.equal(getattr(followed, field), getattr(inversion, field))
    assert reused.motion is None


def test_flows_masks_and_crop_move_by_the_motion(model, crop, offset):
    inversion = model.invert(crop)
    edited = model.edit(inversion, offset, composition="follow")
    assert edited.motion.abs().max() > 2 * PIXEL
    for resolution, level in edited.levels.items():
        motion = resize_flow(edited.motion, resolution)
        assert torch.equal(level.flow, follow(inversion.levels[resolution].flow, motion))
        assert torch.equal(level.mask, follow(inversion.levels[resolution].mask, motion))
    levels = compose_masks([edited.levels[r].mask for r in sorted(edited.levels)], SIZE)
    assert torch.equal(edited.ood_mask, refine_mask(levels, edited.kept))
    assert torch.equal(edited.kept, follow(crop, edited.motion))
    assert torch.equal(edited.reconstruction, blend(edited.kept, edited.generated, edited.ood_mask))
    assert torch.equal(edited.crop, crop)
    assert inversion.motion is None
    assert torch.equal(inversion.kept, crop)


def test_where_nothing_moves_the_kept_pixels_are_the_crop_s_own(model, crop, offset):
    edited = model.edit(model.invert(crop), 0.6 * offset, composition="follow")
    still = (edited.motion == 0).all(dim=1, keepdim=True).expand_as(crop)
    assert 0 < still.float().mean() < 1
    assert torch.equal(edited.kept[still], crop[still])


def test_a_batch_of_two_equals_two_batches_of_one(model, crop, offset):
    both = model.edit(model.invert(crop), offset, composition="follow")
    for index in range(2):
        one = model.edit(model.invert(crop[index : index + 1]), offset, composition="follow")
        for field in ("motion", "kept", "ood_mask", "generated"):
            torch.testing.assert_close(
                getattr(one, field), getattr(both, field)[index : index + 1], atol=1e-3, rtol=1e-3
            )


def test_an_edit_of_an_edit_starts_where_the_first_ended(model, crop, offset):
    inversion = model.invert(crop)
    first = model.edit(inversion, 0.5 * offset, composition="follow")
    second = model.edit(first, 0.3 * offset.flip(2), composition="follow")
    resolutions = [8, 16, 32]
    maps = [model.generator.feature_maps(edited.w_plus, resolutions, noise="none") for edited in (first, second)]
    step = estimate_motion(*maps)
    assert step.abs().max() > 0
    assert torch.equal(second.motion, one_after_the_other(first.motion, step))
    assert torch.equal(second.kept, follow(crop, second.motion))  # resampled once
    assert torch.equal(second.levels[16].mask, follow(first.levels[16].mask, resize_flow(step, 16)))


def test_as_the_default_it_keeps_the_maps_and_changes_no_result(model, crop, offset):
    following = with_choice(model, "follow")
    inversion = following.invert(crop)
    assert set(inversion.plain_maps) == {8, 16, 32}
    assert model.invert(crop).plain_maps == {}
    asked = model.edit(model.invert(crop), offset, composition="follow")
    default = following.edit(inversion, offset)
    for field in ("motion", "reconstruction"):
        assert torch.equal(getattr(asked, field), getattr(default, field))
    assert following.edit(inversion, offset, composition="reuse").plain_maps == {}


def test_the_motion_does_not_depend_on_the_noise(model, crop, offset):
    inversion = model.invert(crop)
    fixed = model.edit(inversion, offset, composition="follow")
    drawn = model.edit(inversion, offset, composition="follow", noise="random", rng=torch.Generator().manual_seed(3))
    assert torch.equal(fixed.motion, drawn.motion)
    assert not torch.equal(fixed.generated, drawn.generated)


def test_without_a_decomposition_the_motion_is_still_there(model, crop, offset):
    model = tiny_model()
    model.decomposition = None
    edited = model.edit(model.invert(crop), offset, composition="follow")
    assert edited.motion.abs().max() > PIXEL
    assert edited.ood_mask.max() == 0
    assert torch.equal(edited.reconstruction, edited.generated)


def test_a_style_offset_moves_too(model, crop):
    inversion = model.invert(crop)
    nothing = torch.zeros(1, NUM_LAYERS, STYLE_DIM)
    style = torch.randn(1, model.generator.num_style_channels, generator=torch.Generator().manual_seed(4))
    assert model.edit(inversion, nothing, style_offset=style, composition="follow").motion.abs().max() > PIXEL


def test_feature_maps_are_those_the_picture_is_drawn_from(model):
    generator, w_plus = model.generator, torch.randn(2, NUM_LAYERS, STYLE_DIM)
    seen = {}
    hooks = [
        generator.convs[2 * k].register_forward_hook(lambda module, args, out, k=k: seen.__setitem__(4 * 2**k, out))
        for k in range(len(generator.config.resolutions))
    ]
    generator.synthesise(w_plus)
    whole = dict(seen)
    seen.clear()
    maps = generator.feature_maps(w_plus, [16, 4])
    for hook in hooks:
        hook.remove()
    assert set(maps) == {4, 16}
    assert set(seen) == {4, 8, 16}  # nothing finer was computed
    for resolution, found in maps.items():
        assert torch.equal(found, whole[resolution])


@pytest.mark.parametrize(("asked", "text"), [([8, 64], r"\[4, 8, 16, 32\], got \[64\]"), ([], "got none")])
def test_maps_the_generator_does_not_have_are_refused(model, asked, text):
    with pytest.raises(ValueError, match=text):
        model.generator.feature_maps(torch.zeros(1, NUM_LAYERS, STYLE_DIM), asked)
