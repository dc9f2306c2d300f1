import hashlib

import numpy as np
import pytest
import torch
from skimage import data

from oodinv.faces import DetectorUnavailable, Face, crop_transform, face_alignment68, load_detector
from oodinv.faces.face_alignment68 import WEIGHTS_FILE, peaks, view_of
from oodinv.faces.resample import apply_affine, resample


@pytest.fixture
def weights_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def face_of(bbox: tuple[float, float, float, float]) -> Face:
    return Face(bbox=bbox, score=0.9, landmarks=np.zeros((5, 2), np.float32), scheme="5")


def test_without_weights_the_error_names_file_folder_site_and_the_way_out(weights_folder):
    with pytest.raises(DetectorUnavailable) as caught:
        load_detector("face-alignment")
    for part in (WEIGHTS_FILE, str(weights_folder), "www.adrianbulat.com", "`--detector centerface`"):
        assert part in str(caught.value)


def test_another_file_under_that_name_is_refused(weights_folder):
    (weights_folder / WEIGHTS_FILE).write_bytes(b"<html>moved</html>")
    found = hashlib.sha256(b"<html>moved</html>").hexdigest()[:10]
    with pytest.raises(DetectorUnavailable, match=f"begins with 11f355bf06, got {found}"):
        load_detector("face-alignment")


def test_a_network_of_random_weights_gives_68_points_near_each_face(weights_folder, monkeypatch):
    from face_alignment.models import FAN

    torch.manual_seed(0)
    drawn = weights_folder / "drawn"
    torch.save(FAN(4).state_dict(), drawn)
    name = f"2DFAN4-{hashlib.sha256(drawn.read_bytes()).hexdigest()[:10]}.pth.tar"
    drawn.rename(weights_folder / name)
    monkeypatch.setattr(face_alignment68, "WEIGHTS_FILE", name)
    detector = load_detector("face-alignment")
    assert detector.name == "face-alignment"
    assert detector.weights_sha256 != load_detector("centerface").weights_sha256
    (face,) = detector.detect(data.astronaut())
    assert face.scheme == "68"
    assert face.landmarks.shape == (68, 2)
    x0, y0, x1, y1 = face.bbox
    side = x1 - x0 + y1 - y0
    assert (np.abs(face.landmarks - [(x0 + x1) / 2, (y0 + y1) / 2]) < side).all()
    assert crop_transform(face, 256).shape == (2, 3)
    assert detector.detect(np.zeros((100, 100, 3), np.uint8)) == []


@pytest.mark.parametrize("bbox", [(181.5, 58.2, 269.9, 177.8), (-20.0, 200.0, 90.0, 360.0)])
def test_the_network_sees_what_the_package_would_show_it(bbox):
    from face_alignment.utils import CENTER_Y_OFFSET, REFERENCE_SCALE, crop

    photo = data.astronaut()
    x0, y0, x1, y1 = bbox
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2 - (y1 - y0) * CENTER_Y_OFFSET])
    theirs = crop(photo, centre, (x1 - x0 + y1 - y0) / REFERENCE_SCALE)
    ours = resample(photo, view_of(face_of(bbox)), 256, 256)
    inside = (slice(None), slice(96, None)) if x0 < 0 else (slice(None), slice(None))  # they fill with black, we mirror
    # Theirs is cut at whole photo pixels, so the two differ by up to a photo pixel.
    assert np.abs(ours[inside] - theirs[inside]).mean() < 8


def test_peaks_lie_where_the_package_finds_them_before_it_cuts_them_to_whole_pixels(monkeypatch):
    from face_alignment import utils

    # Compiling the loop takes longer than running it once.
    monkeypatch.setattr(utils, "_get_preds_fromhm", utils._get_preds_fromhm.py_func)
    rng = np.random.default_rng(0)
    true = rng.uniform(3, 61, (68, 2))
    y, x = np.mgrid[:64, :64] + 0.5
    heatmaps = np.exp(-((x - true[:, 0, None, None]) ** 2 + (y - true[:, 1, None, None]) ** 2) / 4).astype(np.float32)
    heatmaps[0] = 0
    heatmaps[0, 63, 0] = 1  # on the border nothing is moved
    found = peaks(heatmaps)
    np.testing.assert_allclose(found[1:], true[1:], atol=0.26)
    assert found[0].tolist() == [0.5, 63.5]
    theirs, _, _ = utils.get_preds_fromhm(heatmaps[None].copy())
    np.testing.assert_allclose(found, theirs[0], atol=1e-6)


def test_the_middle_of_the_view_lies_a_little_above_the_middle_of_the_box():
    view = view_of(face_of((100.0, 200.0, 180.0, 300.0)))
    np.testing.assert_allclose(apply_affine(view, np.array([[128.0, 128.0]])), [[140, 250 - 12]])
