import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.training.occlusions import paste_occlusions


def crops(batch=3, size=32):
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_outside_the_alpha_nothing_changes_and_everything_stays_in_range(seed):
    crop = crops()
    covered, alpha = paste_occlusions(crop, share=1.0, rng=torch.Generator().manual_seed(seed))
    assert covered.shape == crop.shape and alpha.shape == (3, 1, 32, 32)
    assert 0 <= alpha.min() and alpha.max() <= 1
    assert covered.abs().max() <= 1 + 1e-6
    # A blend moves no colour by more than the sum of all shapes' alpha times the range; alpha is their maximum.
    assert ((covered - crop).abs() <= 3 * 2 * alpha + 1e-6).all()
    untouched = (alpha == 0).expand_as(crop)
    assert torch.equal(covered[untouched], crop[untouched])


def test_a_share_of_zero_covers_nothing():
    covered, alpha = paste_occlusions(crops(), share=0.0, rng=torch.Generator().manual_seed(1))
    assert torch.equal(covered, crops()) and not alpha.any()


def test_the_share_is_the_part_of_the_crops_that_is_covered():
    rng = torch.Generator().manual_seed(2)
    covered = sum(
        (paste_occlusions(crops(4), share=0.25, rng=rng)[1].amax(dim=(1, 2, 3)) > 0).sum() for _ in range(100)
    )
    assert covered.item() / 400 == pytest.approx(0.25, abs=0.07)


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
