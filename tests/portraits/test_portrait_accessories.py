"""Every kind of accessory, with its exact mask."""

import numpy as np
import pytest

from oodinv.portraits import DESIGNS, KINDS, PortraitsError, sample_params
from oodinv.portraits.accessories import accessory_overlay, designs_of, find_design
from oodinv.portraits.overlays import Overlay, lay_over

SIZE = 96
PARAMS = sample_params(2_000_011)


@pytest.fixture(scope="module")
def bare(studio):
    return studio.render(PARAMS, size=SIZE)


@pytest.mark.parametrize("kind", KINDS)
def test_an_accessory_changes_exactly_the_pixels_under_its_mask(studio, bare, kind):
    design = designs_of(kind, "test")[0]
    worn = studio.render(PARAMS, accessory=design.name, size=SIZE, seed=11)
    outside = worn.accessory_mask == 0
    assert 0.0005 < (worn.accessory_mask > 100).mean() < 0.5
    if design.press is None:
        np.testing.assert_array_equal(worn.silhouette, bare.silhouette)
    else:  # hair is pressed down; what is neither hair nor hat stays
        outside &= (worn.silhouette == 0) & (bare.silhouette == 0)
    np.testing.assert_array_equal(worn.photo[outside], bare.photo[outside])
    covered = worn.accessory_mask > 200
    if covered.any():
        assert (worn.photo[covered] != bare.photo[covered]).any(axis=-1).mean() > 0.9
    np.testing.assert_array_equal(worn.landmarks, bare.landmarks)


@pytest.mark.parametrize("name", [name for name, design in DESIGNS.items() if design.lay_over is not None])
def test_an_overlay_blends_by_its_alpha(name):
    photo = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for seed in range(4):
        over = accessory_overlay(DESIGNS[name], SIZE, seed)
        assert over.alpha.any() and (over.alpha == 0).any()
        assert over.colours.min() >= 0 and over.colours.max() <= 1
        seen = lay_over(photo, over)
        share = over.alpha[..., None] / 255
        np.testing.assert_allclose(seen, photo * (1 - share) + 255 * over.colours * share, atol=0.5001)
        np.testing.assert_array_equal(seen, lay_over(photo, accessory_overlay(DESIGNS[name], SIZE, seed)))


def test_the_faintest_watermark_hides_more_than_half_of_what_is_under_it():
    """Or a photo would be said to hold an accessory that no pixel of its mask, cut at one half, knows of."""
    for seed in range(12):
        assert accessory_overlay(DESIGNS["text/watermark"], 448, seed).alpha.max() > 127, seed


def test_full_alpha_hides_and_none_shows():
    photo = np.full((8, 8, 3), 50, np.uint8)
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:4] = 255
    seen = lay_over(photo, Overlay(colours=np.ones((8, 8, 3)), alpha=alpha))
    assert (seen[:4] == 255).all() and (seen[4:] == 50).all()


def test_a_kind_draws_one_of_its_designs_from_the_seed():
    found = {find_design("glasses", seed).name for seed in range(60)}
    assert found == {design.name for design in designs_of("glasses")}
    assert find_design("glasses", 3) is find_design("glasses", 3)
    assert find_design("glasses/round", 3) is DESIGNS["glasses/round"]


def test_an_unknown_accessory_is_refused():
    with pytest.raises(PortraitsError, match="unknown accessory 'crown': expected one of beanie, cap"):
        find_design("crown", 0)
