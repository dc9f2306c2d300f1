"""Outside the crops and under a mask of 1 (white where it is kept) the photo's own pixels stay, bit for bit, in PNG."""

import numpy as np
import pytest
from kept_pixels import check
from shard_runs import make_settings, read_rows, rows_by_photo, run_shards
from tiny_bundle import SIZE, write_tiny_bundle

from oodinv.bundles.inverter import Inverter
from oodinv.engine.faces_stage import face_of
from oodinv.engine.photo import edit_face, invert_face
from oodinv.faces.align import crop_transform
from oodinv.imaging.decode import decode_photo
from oodinv.store import open_store


@pytest.fixture(scope="module")
def edited(small_photos, tiny_bundle, tmp_path_factory):
    settings = make_settings(
        small_photos, tmp_path_factory.mktemp("png"), tiny_bundle, "smile=+2", "identity", keep=["masks"]
    )
    run_shards(settings)
    read_rows(settings)  # publishes the snapshot
    return settings


def test_only_what_the_mask_leaves_open_changes(edited):
    for counts in check(edited.source, edited.target).values():
        assert counts["photos"] == 3
        assert counts["differ"] == 0
        assert counts["kept"] > counts["kept inside crops"] > 1000  # both kinds were looked at


def test_what_the_mask_leaves_open_does_change(edited, small_photos):
    store = open_store(edited.target)
    for product, compose in zip(edited.products, ("residual", "replace"), strict=True):
        for name, rows in rows_by_photo(edited, product).items():
            if rows[0]["status"] == "ok":
                photo = decode_photo((small_photos / name).read_bytes())
                assert (decode_photo(store.get(rows[0]["out_key"])) != photo).any(axis=-1).sum() > 100
                assert {row["compose"] for row in rows} == {compose}


def test_a_mask_of_one_everywhere_gives_the_photo_back(small_photos, tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle", keep_all=True)
    settings = make_settings(small_photos, tmp_path / "out", bundle, "smile=+3,age=-2", "identity", keep=["masks"])
    run_shards(settings)
    store = open_store(settings.target)
    for product in settings.products:
        for name, rows in rows_by_photo(settings, product).items():
            if name == "table.jpg":
                continue
            photo = decode_photo((small_photos / name).read_bytes())
            assert np.array_equal(decode_photo(store.get(rows[0]["out_key"])), photo)
            assert all(row["ood_area"] == 1 and row["recon_psnr"] is None for row in rows)
            assert decode_photo(store.get(rows[0]["mask_key"])).min() == 255


def test_the_kept_mask_is_the_mask_that_was_used(edited, small_photos, tiny_bundle):
    photo = decode_photo((small_photos / "astronaut.png").read_bytes())
    (row,) = rows_by_photo(edited, edited.products[1])["astronaut.png"]
    inverter = Inverter.from_bundle(str(tiny_bundle))
    face = invert_face(inverter, photo, crop_transform(face_of(row), SIZE))
    used = edit_face(inverter, face, ()).ood_mask[0]
    stored = decode_photo(open_store(edited.target).get(row["mask_key"]))[..., 0]
    assert np.array_equal(stored / np.float32(255), used)
    assert np.abs(used - face.inversion.ood_mask[0, 0].numpy()).max() <= 0.5 / 255 + 1e-6
