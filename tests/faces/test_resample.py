import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.faces.resample import apply_affine, invert_affine, resample, scale_of


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, shift])


def centres(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y], axis=-1)


def test_the_identity_returns_the_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    same = resample(picture, similarity(1, 0, (0, 0)), 17, 23)
    np.testing.assert_allclose(same, picture, atol=1e-3)


def test_a_whole_pixel_shift_moves_the_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 1), dtype=np.uint8)
    moved = resample(picture, similarity(1, 0, (3, 5)), 10, 10)
    np.testing.assert_allclose(moved, picture[5:15, 3:13], atol=1e-3)


@pytest.mark.parametrize("scale", [0.3, 0.99, 1.01, 1.7, 2.0, 2.9, 6.3])
@pytest.mark.parametrize("degrees", [0, 33, -140])
def test_a_linear_ramp_stays_the_same_ramp(scale, degrees):
    ramp = (centres(300, 300) @ [0.5, -0.25])[..., None].astype(np.float32)
    matrix = similarity(scale, degrees, (150, 150))
    matrix[:, 2] -= matrix[:, :2] @ [12, 12]  # the 24 px output looks at the middle, away from the mirrored border
    drawn = resample(ramp, matrix, 24, 24)
    expected = apply_affine(matrix, centres(24, 24).reshape(-1, 2)) @ [0.5, -0.25]
    np.testing.assert_allclose(drawn.reshape(-1), expected, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.1, 8), degrees=st.floats(-180, 180), x=st.floats(-300, 300), y=st.floats(-300, 300))
def test_a_constant_stays_constant_wherever_one_looks(scale, degrees, x, y):
    picture = np.full((13, 29, 1), 77, dtype=np.uint8)
    drawn = resample(picture, similarity(scale, degrees, (x, y)), 9, 11)
    assert drawn.shape == (9, 11, 1)
    np.testing.assert_allclose(drawn, 77, atol=1e-4)


@pytest.mark.parametrize("scale", [2.5, 3.05, 3.6, 5.0])
@pytest.mark.parametrize("degrees", [0, 20])
def test_detail_that_the_output_cannot_hold_becomes_flat_and_not_a_false_pattern(scale, degrees):
    size = 400
    radius_squared = ((centres(size, size) - size / 2) ** 2).sum(axis=-1)
    plate = (127.5 + 127.5 * np.cos(np.pi * radius_squared / size))[..., None].astype(np.float32)
    matrix = similarity(scale, degrees, (size / 2, size / 2))
    count = int(size / scale / 1.5)
    matrix[:, 2] -= matrix[:, :2] @ [count / 2, count / 2]
    drawn = resample(plate, matrix, count, count)[..., 0]
    seen = apply_affine(matrix, centres(count, count).reshape(-1, 2)).reshape(count, count, 2) - size / 2
    cycles_per_output_pixel = np.hypot(seen[..., 0], seen[..., 1]) / size * scale
    too_fine = (cycles_per_output_pixel > 0.95) & (np.abs(seen).max(axis=-1) < size / 2 - 8)
    assert too_fine.sum() > 50
    assert np.std(drawn[too_fine]) < 0.2 * np.std(plate)  # point sampling leaves all of it (1.0)


def test_beyond_the_border_the_picture_is_mirrored():
    picture = np.arange(5, dtype=np.uint8).reshape(1, 5, 1)
    drawn = resample(picture, similarity(1, 0, (-7, 0)), 1, 19)
    assert np.rint(drawn[0, :, 0]).astype(int).tolist() == [3, 4, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1]


@pytest.mark.parametrize("scale", [0.7, 2.6])
def test_a_part_of_the_output_is_the_same_drawn_alone(scale):
    picture = np.random.default_rng(1).integers(0, 256, (120, 120, 2), dtype=np.uint8)
    matrix = similarity(scale, 25, (20, -10))
    whole = resample(picture, matrix, 40, 40)
    part = matrix.copy()
    part[:, 2] = apply_affine(matrix, np.array([[7.0, 13.0]]))[0]
    np.testing.assert_allclose(resample(picture, part, 20, 25), whole[13:33, 7:32], atol=2e-2)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), degrees=st.floats(-180, 180))
def test_an_affine_and_its_inverse_cancel(scale, degrees):
    matrix = similarity(scale, degrees, (12, -7))
    points = np.array([[0.0, 0.0], [100.0, 40.0]])
    np.testing.assert_allclose(apply_affine(invert_affine(matrix), apply_affine(matrix, points)), points, atol=1e-6)
    assert scale_of(matrix) == pytest.approx(scale)
