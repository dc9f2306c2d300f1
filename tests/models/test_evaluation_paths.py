"""What is computed differently without gradients (in place, by channels, scaled kernels) gives the same numbers."""

import pytest
import torch
import torch.nn.functional as F

from oodinv.models import fast_convs, stylegan2
from oodinv.models.accelerate import accelerate
from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig
from oodinv.models.inversion import InversionModel
from oodinv.models.layers import InstanceNorm, bias_act, fir, instance_norm, leaky_relu, modulated_conv2d
from oodinv.models.stylegan2 import Generator, GeneratorConfig


def _close(ours, expected, tolerance=2e-5):
    torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance)


@pytest.fixture(autouse=True)
def small_cache(monkeypatch):
    """Few channels at a time, so that small maps are cut too."""
    monkeypatch.setattr("oodinv.models.layers.CACHE_BYTES", 3 * 4 * 64)


@pytest.mark.parametrize("pad", [(1, 1), (2, 1), (0, 0)])
def test_the_fir_filter(pad):
    x = torch.randn(2, 7, 8, 8)
    with_gradient = fir(x, pad=pad, gain=4.0)
    with torch.inference_mode():
        _close(fir(x, pad=pad, gain=4.0), with_gradient)


@pytest.mark.parametrize("affine", [True, False])
def test_the_instance_norm(affine):
    x = torch.randn(2, 7, 8, 8) * 3 + 1
    weight, bias = (torch.rand(7), torch.randn(7)) if affine else (None, None)
    with torch.inference_mode():
        _close(instance_norm(x, weight, bias), F.instance_norm(x, weight=weight, bias=bias))
        layer = InstanceNorm(7, affine=affine)
        _close(layer(x), F.instance_norm(x, weight=layer.weight, bias=layer.bias))


def test_the_instance_norm_of_a_far_away_mean_keeps_its_digits():
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64) + 1000
    with torch.inference_mode():
        _close(instance_norm(x.float()), F.instance_norm(x).float(), 2e-4)


@pytest.mark.parametrize("noises", [0, 1, 2])
def test_noise_bias_and_activation(noises):
    x, bias = torch.randn(2, 7, 8, 8), torch.randn(7)
    noise = torch.randn(noises, 1, 8, 8) if noises else None
    expected = leaky_relu(x + (0 if noise is None else noise) + bias[:, None, None])
    _close(bias_act(x, bias, noise), expected)
    with torch.inference_mode():
        _close(bias_act(x.clone(), bias, noise), expected)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("upsample", [True, False])
@pytest.mark.parametrize("size", [2, 16])
def test_a_scaled_kernel_and_scaled_activations(demodulate, upsample, size):
    x, weight, style = torch.randn(1, 5, size, size), torch.randn(4, 5, 3, 3), torch.randn(1, 5)
    options = {"demodulate": demodulate, "upsample": upsample}
    expected, before = modulated_conv2d(x, weight, style, **options), x.clone()
    with torch.inference_mode():
        _close(modulated_conv2d(x, weight, style, **options), expected)
    assert torch.equal(x, before)


def _models(choices):
    torch.manual_seed(0)
    shape = DecompositionConfig(
        levels=(8, 16), generator_channels=(16, 16), encoder_channels=(6, 4), width=None, choices=choices
    )
    net = Decomposition(shape).requires_grad_(False)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net


@pytest.mark.parametrize("choices", [Choices.paper(), Choices.improved(), Choices(conv_bias=True, gate_warp=True)])
def test_alignment_with_transformed_kernels(choices, monkeypatch):
    monkeypatch.setattr(fast_convs, "NARROWEST", 1)
    monkeypatch.setattr(fast_convs, "SMALLEST", 1)
    net = _models(choices)
    level = net.level(8)
    generated, encoded = torch.randn(2, 16, 8, 8), torch.randn(2, 6, 8, 8)
    evidence = torch.rand(2, 6, 8, 8) if choices.see_error else None
    expected = level(generated, level.guide(encoded, evidence), None)
    level.accelerate()
    before = generated.clone()
    with torch.inference_mode():
        guide = level.guide(encoded, evidence)
        ours = level(generated, guide, None)
        again = level(generated, guide, None)
    _close(ours.flow, expected.flow, 1e-4)
    _close(ours.mask, expected.mask, 1e-4)
    assert torch.equal(again.flow, ours.flow)  # the guide is not used up
    assert torch.equal(generated, before)


def test_a_whole_generator_with_transformed_kernels(monkeypatch):
    monkeypatch.setattr(fast_convs, "NARROWEST", 1)
    monkeypatch.setattr(fast_convs, "SMALLEST", 1)
    monkeypatch.setattr(stylegan2, "SMALLEST", 1)
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(resolution=32, channel_base=512, channel_max=16, style_dim=24, z_dim=20))
    generator.requires_grad_(False)
    for conv in generator.convs:
        conv.noise_strength.fill_(0.3)
    w_plus = torch.randn(2, 8, 24)
    expected = generator.synthesise(w_plus)
    names = set(generator.state_dict())
    accelerate(InversionModel(_encoder(), generator, None))
    with torch.inference_mode():
        _close(generator.synthesise(w_plus), expected, 1e-4)
        _close(generator.synthesise(w_plus[:1]), expected[:1], 1e-4)
    assert set(generator.state_dict()) == names


def _encoder():
    from oodinv.models.e4e import Encoder, EncoderConfig

    return Encoder(
        EncoderConfig(
            num_layers=8, style_dim=24, input_resolution=32, stem_width=4, widths=(4, 4, 4, 4), units=(1, 1, 1, 1),
            head_width=4,
        )
    )  # fmt: skip
