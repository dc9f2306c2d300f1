import logging

import pytest
import torch
from tiny_bundle import tiny_directions, tiny_fields, tiny_model

from oodinv.bundles.bundle import load_bundle, save_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.layers import EqualLinear, instance_norm
from oodinv.models.precision import computing
from oodinv.models.restyle import RestyleConfig, RestyleEncoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    save_bundle(folder, fields=tiny_fields(), model=tiny_model(), directions=tiny_directions(), card="")
    return str(folder)


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(4)) * 2 - 1


def test_bfloat16_gives_float32_results_near_those_of_float32(folder, crop, caplog):
    exact = Inverter.from_bundle(folder)
    with caplog.at_level(logging.WARNING):
        half = Inverter.from_bundle(folder, precision="bfloat16")
    expected, found = exact.invert(crop), half.invert(crop)
    edited = half.edit(found, [Edit("smile", 1.0)])
    for result in (found, edited):
        for name in ("w_plus", "generated", "ood_mask", "reconstruction"):
            assert getattr(result, name).dtype == torch.float32, name
        for level in result.levels.values():
            assert level.flow.dtype == level.mask.dtype == torch.float32
    difference = (found.generated - expected.generated).abs()
    assert 0 < difference.mean() < 0.02 * expected.generated.std()


def test_a_processor_without_bfloat16_is_told(folder, caplog, monkeypatch):
    monkeypatch.setattr("oodinv.bundles.inverter.has_bfloat16", lambda device: False)
    Inverter.from_bundle(folder)
    assert not caplog.records
    Inverter.from_bundle(folder, precision="bfloat16")
    assert "no bfloat16 instructions" in caplog.text


def test_styles_and_statistics_are_float32_under_bfloat16():
    layer, x = EqualLinear(8, 8), torch.randn(4, 8)
    expected = layer(x)
    far = torch.randn(1, 2, 16, 16) + 100
    with computing(CPU, "bfloat16"):
        assert torch.equal(layer(x), expected)
        normed = instance_norm(far.bfloat16())
    assert normed.dtype == torch.bfloat16
    torch.testing.assert_close(normed.float().std(), torch.tensor(1.0), atol=0.02, rtol=0)


def test_the_fast_preset_aligns_once(folder, crop):
    inverter = Inverter.from_bundle(folder, preset="fast")
    full = load_bundle(folder).model
    assert full.decomposition.config.num_iterations == 2
    assert inverter._model.decomposition.config.num_iterations == 1
    assert all(level.config.num_iterations == 1 for level in inverter._model.decomposition.levels.values())
    assert not torch.equal(inverter.invert(crop).generated, Inverter.from_bundle(folder).invert(crop).generated)


SHAPE = {
    "num_layers": 8, "style_dim": 24, "input_resolution": 32, "stem_width": 4, "widths": (4, 6, 8, 8),
    "units": (1, 1, 1, 1), "head_width": 8,
}  # fmt: skip


@pytest.mark.parametrize("encoder", [Encoder(EncoderConfig(**SHAPE)), RestyleEncoder(RestyleConfig(**SHAPE))])
def test_merged_heads_give_the_same_codes_and_store_nothing_twice(encoder, crop):
    encoder.eval().requires_grad_(False)
    weights = torch.randn(3, 24, generator=torch.Generator().manual_seed(1))

    def draw(delta_w):
        colours = (delta_w.mean(dim=1) @ weights.t())[:, :, None, None]
        return colours.expand(-1, -1, 32, 32)

    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    expected = encoder(crop, draw).delta_w
    encoder.accelerate()
    with torch.inference_mode():
        torch.testing.assert_close(encoder(crop, draw).delta_w, expected, atol=1e-5, rtol=1e-5)
    after = encoder.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[key], before[key]) for key in before)
    firsts = [head.convs[0].weight for head in encoder.heads]
    assert len({weight.untyped_storage().data_ptr() for weight in firsts}) <= 3
    assert len(firsts) == 8


def test_a_preset_is_the_inverters_own_choice(folder, crop):
    loaded = load_bundle(folder)
    expected = Inverter(loaded).invert(crop).generated
    Inverter(loaded, preset="fast")
    assert torch.equal(Inverter(loaded).invert(crop).generated, expected)
