"""A bundle whose edits follow: the photo's pixels move with the edit, and those that are white in the mask do not."""

import json

import numpy as np
import pytest
from kept_pixels import check
from shard_runs import make_settings, read_rows, rows_by_photo, run_shards
from tiny_bundle import SIZE, write_tiny_bundle

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.engine.faces_stage import face_of
from oodinv.engine.photo import edit_face, invert_face, put_back
from oodinv.faces.align import crop_transform
from oodinv.faces.compose import compose_face
from oodinv.imaging.decode import decode_photo


def write_following_bundle(folder, **options):
    path = write_tiny_bundle(folder, **options) / "bundle.json"
    fields = json.loads(path.read_text())
    fields["decomposition"]["choices"]["edit_composition"] = "follow"
    path.write_text(json.dumps(fields))
    return folder


@pytest.fixture(scope="module")
def edited(small_photos, tmp_path_factory):
    bundle = write_following_bundle(tmp_path_factory.mktemp("bundle"))
    settings = make_settings(
        small_photos, tmp_path_factory.mktemp("png"), bundle, "yaw=+0.5", "identity", keep=["masks"]
    )
    run_shards(settings)
    read_rows(settings)  # publishes the snapshot
    return settings


@pytest.fixture(scope="module")
def face_and_photo(edited, small_photos):
    photo = decode_photo((small_photos / "astronaut.png").read_bytes())
    (row,) = rows_by_photo(edited, edited.products[1])["astronaut.png"]
    inverter = Inverter.from_bundle(str(edited.bundle))
    return inverter, invert_face(inverter, photo, crop_transform(face_of(row), SIZE)), photo


def test_what_is_white_in_the_kept_mask_keeps_its_bytes(edited):
    for counts in check(edited.source, edited.target).values():
        assert counts["photos"] == 3
        assert counts["differ"] == 0
        assert counts["kept"] > counts["kept inside crops"] > 500


def test_a_moved_pixel_is_kept_but_not_white(face_and_photo):
    inverter, face, _ = face_and_photo
    edited = edit_face(inverter, face, [Edit("yaw", 0.5)])
    moves = (edited.motion != 0).any(axis=0)
    assert 0 < moves.mean() < 1
    assert edited.ood_mask[0, moves].max() == np.float32(254) / np.float32(255)
    assert edited.ood_mask[0, ~moves].max() == 1
    assert edit_face(inverter, face, ()).motion is None


def test_a_mask_of_one_everywhere_moves_the_photo_s_own_pixels(face_and_photo, small_photos, tmp_path):
    _, face, photo = face_and_photo
    inverter = Inverter.from_bundle(str(write_following_bundle(tmp_path / "bundle", keep_all=True)))
    face = invert_face(inverter, photo, face.transform)
    edited = edit_face(inverter, face, [Edit("yaw", 1.0)])
    assert edited.ood_mask.min() >= np.float32(254) / np.float32(255)
    out = put_back(photo, face.transform, edited)
    assert (out != photo).any(axis=-1).sum() > 100
    only_moved = compose_face(
        photo,
        face.transform,
        generated=np.zeros_like(edited.generated),
        ood_mask=np.ones_like(edited.ood_mask),
        motion=edited.motion,
        mode="replace",
    )
    assert np.abs(out.astype(int) - only_moved).max() <= 2  # what is drawn weighs no more than one in 255
