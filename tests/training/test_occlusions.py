import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.training.dice import Dice
from oodinv.training.occlusion_shapes import SHAPES, grid
from oodinv.training.occlusion_textures import TEXTURES, Scene, other_piece, skin
from oodinv.training.occlusions import _donors, paste_occlusions


def crops(batch=3, size=32):
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31))
def test_outside_the_alpha_nothing_changes_and_everything_stays_in_range(seed):
    crop = crops()
    covered, alpha = paste_occlusions(crop, share=1.0, rng=torch.Generator().manual_seed(seed))
    assert covered.shape == crop.shape and alpha.shape == (3, 1, 32, 32)
    assert 0 <= alpha.min() and alpha.max() <= 1
    assert covered.abs().max() <= 1 + 1e-6
    # Layers over each other let 1 - alpha of the crop through, and colours differ by 2 at most.
    assert ((covered - crop).abs() <= 2 * alpha + 1e-5).all()
    untouched = (alpha == 0).expand_as(crop)
    assert torch.equal(covered[untouched], crop[untouched])


def test_a_share_of_zero_covers_nothing():
    covered, alpha = paste_occlusions(crops(), share=0.0, rng=torch.Generator().manual_seed(1))
    assert torch.equal(covered, crops()) and not alpha.any()


def test_the_share_is_the_part_of_the_crops_that_is_covered():
    rng = torch.Generator().manual_seed(2)
    covered = sum((paste_occlusions(crops(4), share=0.25, rng=rng)[1].amax(dim=(1, 2, 3)) > 0).sum() for _ in range(50))
    assert covered.item() / 200 == pytest.approx(0.25, abs=0.09)


def test_the_same_seed_pastes_the_same_and_another_does_not():
    first, second, third = (
        paste_occlusions(crops(), share=1.0, rng=torch.Generator().manual_seed(s)) for s in (3, 3, 4)
    )
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], third[0])


def test_the_crops_themselves_are_not_changed():
    crop = crops()
    paste_occlusions(crop, share=1.0, rng=torch.Generator().manual_seed(5))
    assert torch.equal(crop, crops())


def test_a_single_crop_can_be_covered():
    rng = torch.Generator().manual_seed(6)
    for _ in range(20):
        covered, alpha = paste_occlusions(crops(1), share=1.0, rng=rng)
        assert torch.isfinite(covered).all() and alpha.max() > 0


def test_every_shape_has_an_inside_and_an_outside_and_differs_between_images():
    for shape in SHAPES:
        dice = Dice(torch.Generator().manual_seed(7), torch.device("cpu"))
        distance = shape(*grid(48, dice.device), dice, 16)
        assert distance.shape == (16, 48, 48) and torch.isfinite(distance).all(), shape.__name__
        inside = (distance < 0).flatten(1).float().mean(dim=1)
        # Thin or half out of the picture, some may show nothing; none covers everything always.
        assert (inside > 0).float().mean() > 0.7 and inside.mean() < 0.6, shape.__name__
        assert not torch.equal(distance[0], distance[1])


def test_a_texture_depends_on_its_own_image_only():
    crop = crops(4)
    for texture in TEXTURES:
        one, other = (
            texture(Scene(crop=given, donor=given), Dice(torch.Generator().manual_seed(8), crop.device), 4)
            for given in (crop, torch.cat([crop[:2], -crop[2:]]))
        )
        assert one.shape == crop.shape and torch.isfinite(one).all(), texture.__name__
        torch.testing.assert_close(one[:2], other[:2])


def test_skin_has_the_colour_of_the_face_it_covers():
    faces = (
        torch.tensor([[-0.2, -0.5, -0.6], [0.7, 0.4, 0.3]])[:, :, None, None].expand(2, 3, 32, 32).repeat(20, 1, 1, 1)
    )
    covering = skin(Scene(crop=faces, donor=-faces), Dice(torch.Generator().manual_seed(9), faces.device), 40)
    assert (covering.mean(dim=(2, 3)) - faces.mean(dim=(2, 3))).abs().max() < 0.35


def test_a_border_is_half_covered_on_the_outline_itself():
    rng = torch.Generator().manual_seed(10)
    alpha = torch.cat([paste_occlusions(crops(8), share=1.0, rng=rng)[1] for _ in range(20)])
    # Opaque and translucent insides, and borders between.
    assert (alpha > 0.99).float().mean() > 0.03 and ((alpha > 0.05) & (alpha < 0.95)).float().mean() > 0.01
    assert 0.03 < alpha.mean() < 0.3


def test_pieces_come_from_photographs_where_these_are_given():
    black, white = torch.full((8, 3, 32, 32), -1.0), torch.ones(2, 3, 32, 32)
    pieces = [
        other_piece(
            Scene(crop=black, donor=white.repeat(4, 1, 1, 1)), Dice(torch.Generator().manual_seed(s), black.device), 8
        )
        for s in range(2)
    ]
    assert all((piece > 0).float().mean() > 0.9 for piece in pieces)
    with_photographs = donors_seen(black, white)
    assert 0.3 < with_photographs < 0.7 and donors_seen(black, None) == 0


def donors_seen(crop, photographs):
    dice = Dice(torch.Generator().manual_seed(11), crop.device)
    return _donors(crop, torch.arange(8).repeat(8) % 8, dice, photographs).gt(0).float().mean().item()


def test_a_crop_alone_gives_nothing_to_itself():
    crop, rng = crops(1), torch.Generator().manual_seed(0)
    photographs = torch.zeros(2, 3, 32, 32)
    index = torch.zeros(16, dtype=torch.int64)
    assert (_donors(crop, index, Dice(rng, crop.device), photographs) == 0).all()
    assert not torch.equal(_donors(crop, index, Dice(rng, crop.device), None), crop.expand(16, -1, -1, -1))
