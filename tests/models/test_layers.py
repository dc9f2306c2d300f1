import pytest
import torch
import torch.nn.functional as F

from oodinv.models.layers import EqualLinear, fir, fir_upsample, modulated_conv2d


def test_the_fir_filter_keeps_a_constant_and_has_the_published_taps():
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[0, 0, 4, 4] = 1
    out = fir(impulse, pad=(2, 1))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    torch.testing.assert_close(out[0, 0, 3:7, 3:7], torch.outer(taps, taps))
    assert out.shape == impulse.shape
    torch.testing.assert_close(fir(torch.ones(1, 2, 8, 8), pad=(0, 0)), torch.ones(1, 2, 5, 5))


def test_fir_upsampling_keeps_a_constant_away_from_the_border():
    out = fir_upsample(torch.full((1, 3, 6, 6), 0.7))
    assert out.shape == (1, 3, 12, 12)
    torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.full((1, 3, 8, 8), 0.7))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("upsample", [True, False])
def test_modulation_of_activations_equals_modulated_kernels_per_sample(demodulate, upsample):
    torch.manual_seed(0)
    x, weight, style = torch.randn(3, 5, 8, 8), torch.randn(4, 5, 3, 3) / 7, torch.randn(3, 5)
    ours = modulated_conv2d(x, weight, style, demodulate=demodulate, upsample=upsample)
    for index in range(3):
        kernel = weight * style[index][None, :, None, None]  # StyleGAN2, Eq. 1
        if demodulate:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()  # Eq. 3
        if upsample:
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4  # gain 2 per axis
            blur = torch.outer(taps, taps).expand(4, 1, 4, 4)
            up = F.conv_transpose2d(x[index : index + 1], kernel.transpose(0, 1), stride=2)
            expected = F.conv2d(F.pad(up, (1, 1, 1, 1)), blur, groups=4)
        else:
            expected = F.conv2d(x[index : index + 1], kernel, padding=1)
        torch.testing.assert_close(ours[index : index + 1], expected, atol=1e-4, rtol=1e-4)


def test_a_demodulated_output_has_unit_variance_for_unit_variance_input():
    torch.manual_seed(0)
    out = modulated_conv2d(torch.randn(4, 64, 32, 32), torch.randn(32, 64, 3, 3), 5 * torch.rand(4, 64))
    assert out[..., 1:-1, 1:-1].std().item() == pytest.approx(1, rel=0.05)


def test_the_rate_multiplier_changes_the_stored_weight_not_the_function():
    torch.manual_seed(0)
    layer = EqualLinear(64, 64, rate_multiplier=0.01)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.1)
    assert layer(torch.randn(256, 64)).std().item() == pytest.approx(1, rel=0.1)
