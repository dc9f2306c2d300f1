import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from oodinv.faces import Face, crop_transform, extract_crop, face_scale, is_too_small
from oodinv.faces.resample import apply_affine, invert_affine

POINTS = np.array([[200, 100], [247, 104], [224, 125], [203, 143], [242, 146]], dtype=np.float32)


def face_of(points: np.ndarray, scheme: str = "5") -> Face:
    return Face(bbox=(180.0, 58.0, 270.0, 178.0), score=0.9, landmarks=points.astype(np.float32), scheme=scheme)


def sixty_eight(points: np.ndarray) -> np.ndarray:
    """68 points whose eyes average, and whose mouth corners lie, at the five given ones."""
    landmarks = np.random.default_rng(3).uniform(0, 300, (68, 2))
    ring = np.array([[-6, 0], [-2, -3], [2, -3], [6, 0], [2, 3], [-2, 3]])
    landmarks[36:42], landmarks[42:48] = points[0] + ring, points[1] + ring
    landmarks[48], landmarks[54] = points[3], points[4]
    return landmarks.astype(np.float32)


def published_quadrilateral(points: np.ndarray) -> np.ndarray:
    """FFHQ's four corners in complex numbers (x + iy), counter-clockwise on the screen from the top left."""
    eye_left, eye_right, _, mouth_left, mouth_right = points.astype(float) @ [1, 1j]
    eyes = (eye_left + eye_right) / 2
    to_mouth = (mouth_left + mouth_right) / 2 - eyes
    x = (eye_right - eye_left) - 1j * to_mouth
    x *= max(abs(eye_right - eye_left) * 2.0, abs(to_mouth) * 1.8) / abs(x)
    y = 1j * x
    centre = eyes + 0.1 * to_mouth
    corners = np.array([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    return np.stack([corners.real, corners.imag], axis=1)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), crop_size=st.sampled_from([64, 256, 1024]))
def test_the_crop_corners_land_on_the_published_quadrilateral(seed, crop_size):
    points = POINTS + np.random.default_rng(seed).normal(0, 8, (5, 2)).astype(np.float32)
    transform = crop_transform(face_of(points), crop_size)
    corners = np.array([[0, 0], [0, crop_size], [crop_size, crop_size], [crop_size, 0]], dtype=float)
    np.testing.assert_allclose(apply_affine(transform, corners), published_quadrilateral(points), atol=1e-6)


def test_five_points_and_68_that_agree_give_the_same_crop():
    five, many = face_of(POINTS), face_of(sixty_eight(POINTS), "68")
    np.testing.assert_allclose(crop_transform(five, 256), crop_transform(many, 256), atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(0.2, 20), degrees=st.floats(-180, 180), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_a_moved_turned_or_enlarged_face_gives_the_same_crop_moved_turned_or_enlarged(scale, degrees, x, y):
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = crop_transform(face_of(POINTS @ linear.T + [x, y]), 256)
    still = crop_transform(face_of(POINTS), 256)
    expected = np.column_stack([linear @ still[:, :2], linear @ still[:, 2] + [x, y]])
    np.testing.assert_allclose(moved, expected, atol=2e-3 * scale + 1e-3)
    assert face_scale(moved) == pytest.approx(scale * face_scale(still), rel=1e-4)


def test_the_crop_keeps_left_on_the_left_and_up_above():
    transform = crop_transform(face_of(POINTS), 1024)
    assert np.linalg.det(transform[:, :2]) > 0
    eye_left, eye_right, nose, mouth_left, mouth_right = apply_affine(invert_affine(transform), POINTS.astype(float))
    assert eye_left[0] < nose[0] < eye_right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(eye_left[1], eye_right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


@pytest.mark.parametrize("points", [np.full((5, 2), 40.0), np.full((5, 2), np.nan)])
def test_landmarks_on_one_spot_are_refused(points):
    with pytest.raises(ValueError, match="span no area"):
        crop_transform(face_of(points), 256)


def test_the_crop_of_an_aligned_photo_is_the_photo():
    photo = data.astronaut()
    crop = extract_crop(photo, np.array([[2.0, 0, 0], [0, 2.0, 0]]), 256)
    expected = photo.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(crop, expected, atol=1e-4)  # float32 coordinates


@pytest.mark.parametrize("pixel", [0, 255])
def test_the_crop_stays_in_range(pixel):
    crop = extract_crop(np.full((40, 60, 3), pixel, np.uint8), np.array([[0.31, -0.2, -9], [0.2, 0.31, -7]]), 128)
    assert crop.dtype == np.float32
    assert np.abs(crop).max() <= 1
    np.testing.assert_allclose(crop, pixel / 127.5 - 1, atol=1e-6)


def test_a_larger_copy_of_the_photo_gives_nearly_the_same_crop():
    photo = data.astronaut()
    large = np.asarray(Image.fromarray(photo).resize((2048, 2048), Image.Resampling.BICUBIC))
    small_crop = extract_crop(photo, crop_transform(face_of(POINTS), 128), 128)
    large_crop = extract_crop(large, crop_transform(face_of(POINTS * 4), 128), 128)
    assert np.abs(small_crop - large_crop).mean() < 0.03


def test_a_face_is_too_small_by_its_shorter_side():
    assert not is_too_small(face_of(POINTS))
    assert is_too_small(dataclasses.replace(face_of(POINTS), bbox=(0.0, 0.0, 23.9, 100.0)))
    assert not is_too_small(dataclasses.replace(face_of(POINTS), bbox=(0.0, 0.0, 24.0, 24.0)))
