"""Where the masks of edits come from: chosen for a run, named by its products, and what the model is told."""

import numpy as np
import pytest
from shard_runs import detector, make_settings, rows_by_photo, run_shards

from oodinv.bundles.inverter import Inverter
from oodinv.engine.photo import edit_face, invert_face, put_back
from oodinv.faces.align import crop_transform
from oodinv.imaging.decode import decode_photo


def only(folder, small_photos):
    """A source with one photo of one face."""
    (folder / "photos").mkdir()
    (folder / "photos" / "portrait.jpg").write_bytes((small_photos / "portrait.jpg").read_bytes())
    return folder / "photos"


def test_products_differ_by_composition_and_hold_which_one_it_is(small_photos, tiny_bundle, tmp_path):
    names = {}
    for composition in (None, "reuse", "repredict", "minimum", "follow"):
        (product,) = make_settings(small_photos, tmp_path, tiny_bundle, "age=1", composition=composition).products
        names[composition] = product.name
        assert product.composition == product.definition.spec["parameters"]["composition"] == (composition or "reuse")
    assert names[None] == names["reuse"]  # the bundle's own
    assert len(set(names.values())) == 4


def test_the_reconstruction_is_one_product_whatever_the_composition(small_photos, tiny_bundle, tmp_path):
    found = [
        make_settings(small_photos, tmp_path, tiny_bundle, "identity", composition=composition).products[0]
        for composition in (None, "repredict")
    ]
    assert found[0].name == found[1].name and found[0].composition is None


@pytest.mark.parametrize("composition", [None, "repredict", "minimum"])
def test_a_run_edits_as_its_products_say(small_photos, tiny_bundle, tmp_path, composition):
    settings = make_settings(
        only(tmp_path, small_photos), tmp_path / "out", tiny_bundle, "smile=+2", composition=composition
    )
    run_shards(settings)
    ((row,),) = rows_by_photo(settings, settings.products[0]).values()
    written = decode_photo((tmp_path / "out" / row["out_key"]).read_bytes())

    inverter = Inverter.from_bundle(str(tiny_bundle))
    photo = decode_photo((small_photos / "portrait.jpg").read_bytes())
    (face,) = detector().detect(photo)
    inverted = invert_face(inverter, photo, crop_transform(face, inverter.resolution))
    pictures = {
        name: put_back(photo, inverted.transform, edit_face(inverter, inverted, settings.products[0].edits, name))
        for name in ("reuse", "repredict", "minimum")
    }
    assert np.array_equal(written, pictures[composition or "reuse"])
    assert not np.array_equal(pictures["reuse"], pictures["repredict"])
