import pytest
import torch
from shard_runs import make_settings, rows_by_photo, run_shards
from tiny_encoders import RESTYLE, identity_network, write_bundle_with

from oodinv.bundles.inverter import Inverter
from oodinv.edits import parse_edit
from oodinv.faces.align import extract_crop
from oodinv.imaging.decode import decode_photo

EDITS = ("identity", "smile=+1.5")


def done(photos, bundle, target):
    settings = make_settings(photos, target, bundle, *EDITS)
    run_shards(settings)
    return [rows_by_photo(settings, product) for product in settings.products]


@pytest.mark.parametrize("encoder", [None, RESTYLE], ids=["e4e", "restyle"])
def test_the_rows_say_how_like_the_photographed_face_the_edited_one_is(small_photos, tmp_path, encoder):
    bundle = write_bundle_with(tmp_path / "bundle", kind="restyle", encoder=encoder, identity=identity_network())
    inverter, network = Inverter.from_bundle(str(bundle)), identity_network()
    found = []
    for text, rows in zip(EDITS, done(small_photos, bundle, tmp_path / "out"), strict=True):
        assert all(row["id_similarity"] is None for row in rows["table.jpg"])
        for name in ("portrait.jpg", "three.webp"):
            photo = decode_photo((small_photos / name).read_bytes())
            for row in rows[name]:
                transform = torch.tensor(row["crop_transform"]).view(2, 3).double().numpy()
                inversion = inverter.invert(torch.from_numpy(extract_crop(photo, transform, inverter.resolution))[None])
                edited = inverter.edit(inversion, parse_edit(text)).reconstruction.clamp(-1, 1)
                expected = torch.cosine_similarity(network.embed(inversion.crop), network.embed(edited))
                assert row["id_similarity"] == pytest.approx(expected.item(), abs=1e-5)
                found.append(row["id_similarity"])
    assert len(found) == 8 and len(set(found)) == 8 and min(found) < 0.999


def test_without_an_identity_network_the_column_is_empty(small_photos, tiny_bundle, tmp_path):
    for rows in done(small_photos, tiny_bundle, tmp_path):
        assert all(row["id_similarity"] is None for found in rows.values() for row in found)
        assert any(row["status"] == "ok" for found in rows.values() for row in found)
