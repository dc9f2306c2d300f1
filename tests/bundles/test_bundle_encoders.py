from dataclasses import replace

import pytest
import torch
from tiny_encoders import FEATURESTYLE, RESTYLE, identity_network, model_with, write_bundle_with

from oodinv.bundles.bundle import load_bundle
from oodinv.bundles.describe import describe_bundle, verify_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.bundles.spec import BundleError
from oodinv.edits import Edit

ENCODERS = {
    "restyle": ("restyle", RESTYLE),
    "restyle-psp": ("restyle", replace(RESTYLE, progressive=False)),
    "featurestyle": ("featurestyle", FEATURESTYLE),
    "featurestyle-released": ("featurestyle", replace(FEATURESTYLE, inject_content=False)),
}


@pytest.fixture(scope="module")
def crops():
    patches = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return patches.repeat_interleave(4, 2).repeat_interleave(4, 3)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_model_with_another_encoder_comes_back_exactly(tmp_path, crops, name):
    kind, config = ENCODERS[name]
    model = model_with(config)
    loaded = load_bundle(str(write_bundle_with(tmp_path, kind=kind, encoder=config)))
    assert loaded.model.encoder.config == config and type(loaded.model.encoder) is type(model.encoder)
    assert loaded.model.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, loaded.model.state_dict()[key]) for key, tensor in model.state_dict().items())
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())
    inverter, expected = Inverter(loaded), model.invert(crops)
    inversion = inverter.invert(crops)
    assert torch.equal(inversion.generated, expected.generated)
    assert bool(inversion.content) == (name == "featurestyle")
    edited = inverter.edit(inversion, [Edit("smile", 1.5)])
    assert torch.isfinite(edited.reconstruction).all() and not torch.equal(edited.generated, inversion.generated)
    assert "is whole: 4 files" in verify_bundle(str(tmp_path))
    assert f"encoder {kind}\n" in describe_bundle(str(tmp_path))


def test_an_unknown_encoder_is_named_beside_the_known_ones(bundle, change):
    change(lambda content: content["encoder"].update(kind="hyperstyle"))
    with pytest.raises(BundleError, match=r"encoder: .*one of e4e, restyle, featurestyle, got 'hyperstyle'"):
        load_bundle(str(bundle))


def test_an_encoder_without_kind_is_refused(bundle, change):
    change(lambda content: content["encoder"].pop("kind"))
    with pytest.raises(BundleError, match=r"encoder: .*one of e4e, restyle, featurestyle, got None"):
        load_bundle(str(bundle))


def test_what_belongs_to_another_encoder_is_refused(bundle, change):
    change(lambda content: content["encoder"].update(num_passes=3))
    with pytest.raises(BundleError, match=r"encoder\.num_passes: Extra inputs"):
        load_bundle(str(bundle))


def test_content_the_generator_cannot_take_is_told_with_both_widths(tmp_path):
    config = replace(FEATURESTYLE, content_width=9, inject_content=False)
    write_bundle_with(tmp_path, kind="featurestyle", encoder=config)
    load_bundle(str(tmp_path))
    spec = tmp_path / "bundle.json"
    spec.write_text(spec.read_text().replace('"inject_content": false', '"inject_content": true'))
    with pytest.raises(BundleError, match="content at 4 x 4 has 9 channels, the generator's map it replaces has 16"):
        load_bundle(str(tmp_path))


def test_an_identity_network_comes_back_exactly_and_measures(tmp_path, crops):
    network = identity_network()
    folder = str(write_bundle_with(tmp_path, identity=network))
    loaded = load_bundle(folder)
    assert loaded.identity is not None and loaded.identity.config == network.config
    assert all(torch.equal(t, loaded.identity.state_dict()[key]) for key, t in network.state_dict().items())
    assert not loaded.identity.training and not any(p.requires_grad for p in loaded.identity.parameters())
    similarity = Inverter(loaded).similarity(crops, crops.flip(0))
    assert torch.equal(similarity, network.similarity(crops, crops.flip(0))) and similarity.max() < 0.99
    assert "is whole: 5 files" in verify_bundle(folder)
    assert "identity network, 16 px" in describe_bundle(folder)


def test_without_an_identity_network_nothing_is_measured(tiny_bundle, crops):
    assert load_bundle(str(tiny_bundle)).identity is None
    assert Inverter.from_bundle(str(tiny_bundle)).similarity(crops, crops) is None
    assert "no identity network: id_similarity stays empty" in describe_bundle(str(tiny_bundle))


def test_a_changed_identity_network_is_told_by_its_hash(tmp_path):
    write_bundle_with(tmp_path, identity=identity_network())
    path = tmp_path / "identity.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(BundleError, match=r"identity\.safetensors has sha256 .* fetch the bundle again"):
        load_bundle(str(tmp_path))


def test_another_network_in_the_identity_file_is_refused(tmp_path):
    write_bundle_with(tmp_path, identity=identity_network())
    spec = tmp_path / "bundle.json"
    spec.write_text(spec.read_text().replace('"embedding_dim": 12', '"embedding_dim": 13'))
    with pytest.raises(BundleError, match=r"identity\.safetensors: .* must have shape \(13"):
        load_bundle(str(tmp_path))


@pytest.mark.parametrize("resolution", [0, 100, -16])
def test_an_identity_resolution_the_stages_do_not_halve_evenly_is_refused(tmp_path, resolution):
    write_bundle_with(tmp_path, identity=identity_network())
    spec = tmp_path / "bundle.json"
    spec.write_text(spec.read_text().replace('"input_resolution": 16', f'"input_resolution": {resolution}'))
    with pytest.raises(BundleError, match=r"identity\.input_resolution"):
        load_bundle(str(tmp_path))
