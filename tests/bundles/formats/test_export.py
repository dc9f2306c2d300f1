"""Bundles written as others publish them."""

import re

import pytest
import torch
from published import featurestyle_shapes, fill, pyramid_shapes, restyle_shapes, rosinality_shapes, under
from tiny_bundle import tiny_fields, tiny_model

from oodinv.bundles.bundle import load_bundle, save_bundle


@pytest.fixture
def export(run, tmp_path):
    def apply(bundle, layout):
        result = run("export", bundle, "--layout", layout, "-o", tmp_path / f"{layout}.pt")
        assert result.exit_code == 0, result.output
        return torch.load(tmp_path / f"{layout}.pt", weights_only=True)

    return apply


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, msg=name)


def without_counters(tensors):
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}


def test_a_generator_there_and_back_is_the_same_file(imports, export, save, checkpoint, generator_tensors, average):
    imports(save(checkpoint))
    found = export(imports.out, "rosinality")
    assert_same(found["g_ema"], generator_tensors)
    assert {k: tuple(v.shape) for k, v in found["g_ema"].items()} == rosinality_shapes()
    assert torch.equal(found["latent_avg"], average)


@pytest.mark.parametrize("kind", ["Encoder4Editing", "GradualStyleEncoder"])
def test_a_checkpoint_there_and_back_is_the_same_file(imports, export, save, checkpoint, average, kind):
    checkpoint["opts"]["encoder_type"] = kind
    first = imports(save(checkpoint))
    found = export(imports.out, "e4e")
    assert_same(without_counters(found["state_dict"]), without_counters(checkpoint["state_dict"]))
    assert torch.equal(found["latent_avg"], average.repeat(8, 1))
    assert (found["opts"]["encoder_type"], found["opts"]["stylegan_size"]) == (kind, 32)
    again = imports(save(found))
    assert_same(again.model.state_dict(), first.model.state_dict())
    assert again.model.encoder.config == first.model.encoder.config
    # With the counters of batch norm: strict readers expect them.
    names = under("encoder.", pyramid_shapes()) | under("decoder.", rosinality_shapes())
    assert {name: tuple(tensor.shape) for name, tensor in found["state_dict"].items()} == names


def test_a_restyle_checkpoint_there_and_back_is_the_same(imports, export, save, checkpoint, generator_tensors):
    state = under("encoder.", fill(restyle_shapes())) | under("decoder.", generator_tensors)
    checkpoint |= {"state_dict": state, "opts": {"encoder_type": "BackboneEncoder", "n_iters_per_batch": 3}}
    first = imports(save(checkpoint))
    again = imports(save(export(imports.out, "e4e")))
    assert_same(again.model.state_dict(), first.model.state_dict())
    assert again.model.encoder.config == first.model.encoder.config


def write_tiny(folder, **generator):
    """The tiny bundle with another mapping; its last stage is as wide as the one before."""
    fields = tiny_fields()
    fields["generator"] |= generator
    fields["directions"] = {"edits": {}}
    save_bundle(folder, fields=fields, model=tiny_model(), directions={}, card="", dtype=torch.float32)
    return folder


def test_another_rate_of_the_mapping_is_written_as_the_published_one(export, imports, save, encoder_file, tmp_path):
    folder = write_tiny(tmp_path / "ours", mapping_rate_multiplier=0.25)
    ours = load_bundle(str(folder)).model.generator
    theirs = imports(save(export(folder, "rosinality")["g_ema"]), encoder_file).model.generator
    assert (ours.config.mapping_rate_multiplier, theirs.config.mapping_rate_multiplier) == (0.25, 0.01)
    z = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(theirs.mapping(z), ours.mapping(z), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("layout", "mapping", "text"),
    [
        ("rosinality", {"normalise_z": False}, "maps latents as they are"),
        ("e4e", {}, "has stages of 8, 12, 16, 16 channels: .* where channels change"),
    ],
)
def test_what_a_layout_cannot_say_is_refused(run, tmp_path, layout, mapping, text):
    folder = write_tiny(tmp_path / "ours", **mapping)
    result = run("export", folder, "--layout", layout, "-o", tmp_path / "out.pt")
    assert result.exit_code == 2 and re.search(text, result.stderr)
    assert not (tmp_path / "out.pt").exists()


def test_a_feature_style_encoder_has_no_such_layout(imports, run, save, checkpoint, tmp_path):
    imports("--encoder", save(fill(featurestyle_shapes())), "--generator", save(checkpoint))
    result = run("export", imports.out, "--layout", "e4e", "-o", tmp_path / "out.pt")
    assert result.exit_code == 2 and "has a featurestyle encoder: the e4e layout holds" in result.stderr


def test_a_file_that_exists_and_a_folder_that_does_not_are_told(run, tiny_bundle, tmp_path):
    (tmp_path / "mine.pt").write_bytes(b"mine")
    result = run("export", tiny_bundle, "--layout", "rosinality", "-o", tmp_path / "mine.pt")
    assert result.exit_code == 2 and "exists already" in result.stderr
    assert (tmp_path / "mine.pt").read_bytes() == b"mine"
    result = run("export", tiny_bundle, "--layout", "rosinality", "-o", tmp_path / "nowhere" / "out.pt")
    assert result.exit_code == 2 and "cannot be written" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.pt"]
