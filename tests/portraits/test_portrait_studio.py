import sys
from dataclasses import replace

import numpy as np
import pytest

from oodinv.portraits import NoOffscreenGl, Studio, sample_params, stage
from oodinv.portraits.backgrounds import busy_background, plain_background
from oodinv.portraits.params import labels

SIZE = 96


def test_the_same_seed_renders_the_same_pixels_whatever_came_before(studio):
    params = sample_params(5)
    first = studio.render(params, accessory="hat", background="busy", size=SIZE, seed=5)
    studio.render(sample_params(6), size=128)
    again = studio.render(params, accessory="hat", background="busy", size=SIZE, seed=5)
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.accessory_mask, again.accessory_mask)
    np.testing.assert_array_equal(first.silhouette, again.silhouette)


def test_a_portrait_without_accessory_has_an_empty_accessory_mask(studio):
    portrait = studio.render(sample_params(1), size=SIZE)
    assert portrait.photo.shape == (SIZE, SIZE, 3)
    assert not portrait.accessory_mask.any()
    assert 0.2 < (portrait.silhouette > 127).mean() < 0.8


def test_the_background_shows_exactly_where_the_silhouette_is_empty(studio):
    params = sample_params(4)
    portrait = studio.render(params, size=SIZE)
    behind = np.round(plain_background(params, SIZE) * 255).astype(np.uint8)
    empty = portrait.silhouette == 0
    np.testing.assert_array_equal(portrait.photo[empty], behind[empty])


def test_another_background_leaves_the_person_as_it_is(studio):
    params = sample_params(4)
    plain = studio.render(params, size=SIZE)
    busy = studio.render(params, background="busy", size=SIZE, seed=9)
    inside = plain.silhouette == 255
    np.testing.assert_array_equal(plain.photo[inside], busy.photo[inside])
    assert (plain.photo[~inside] != busy.photo[~inside]).any()


def test_a_smile_changes_the_mouth_and_not_the_background(studio):
    params = replace(sample_params(12), smile=0.0)
    calm, glad = (studio.render(replace(params, smile=smile), size=SIZE).photo.astype(int) for smile in (0.0, 1.0))
    difference = np.abs(calm - glad).sum(axis=-1)
    assert (difference > 30).sum() > 20
    # The face is near the middle of the frame; a smile reaches from the chin to the eyelids, its shadow to the neck.
    middle = difference[int(0.3 * SIZE) : int(0.8 * SIZE), int(0.2 * SIZE) : int(0.8 * SIZE)]
    assert middle.sum() > 0.9 * difference.sum()
    assert not difference[: int(0.2 * SIZE)].any()


def test_heads_of_positive_yaw_turn_the_detected_nose_to_the_viewers_right(studio, detector):
    params = replace(sample_params(12), roll=0.0, yaw=25.0)
    right = detector.detect(studio.render(params, size=160).photo)[0].landmarks
    left = detector.detect(studio.render(replace(params, yaw=-25.0), size=160).photo)[0].landmarks
    assert labels(params)["yaw"] == 25.0
    eyes_right, eyes_left = right[:2, 0].mean(), left[:2, 0].mean()
    assert right[2, 0] - eyes_right > 2
    assert left[2, 0] - eyes_left < -2


def test_most_faces_are_found_at_full_and_turned_poses(studio, detector):
    found = [len(detector.detect(studio.render(sample_params(seed), size=128).photo)) for seed in range(4)]
    assert found == [1] * 4


def test_busy_backgrounds_are_repeatable_and_differ_between_seeds():
    first, again, other = (busy_background(seed, 48) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02
    assert first.min() >= 0 and first.max() <= 1


def test_unknown_kinds_and_tiny_sizes_are_refused(studio):
    params = sample_params(0)
    with pytest.raises(ValueError, match=r"unknown accessory 'crown': expected one of beanie, cap"):
        studio.render(params, accessory="crown")
    with pytest.raises(ValueError, match="at least 16 pixels, got 8"):
        studio.render(params, size=8)


@pytest.mark.parametrize("package", ["anny", "vtk"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'oodinv\[portraits\]'"):
        Studio()


def test_a_machine_without_offscreen_gl_is_told_what_to_install(monkeypatch):
    class Blind:
        def SetOffScreenRendering(self, _): ...
        def SetMultiSamples(self, _): ...
        def SetAlphaBitPlanes(self, _): ...
        def SetSize(self, *_): ...
        def SupportsOpenGL(self):
            return False

    class Vtk:
        vtkEGLRenderWindow = vtkOSOpenGLRenderWindow = Blind

    monkeypatch.setattr(stage, "_import_vtk", Vtk)
    with pytest.raises(NoOffscreenGl, match="apt install libegl1"):
        stage.Stage()
