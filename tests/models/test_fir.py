"""The low-pass filter and its hand-written gradients against a convolution with the written-out kernel."""

import pytest
import torch
import torch.nn.functional as F

from oodinv.models.layers import fir

PADS = [(1, 1), (2, 1), (1, 2), (2, 2), (0, 0)]


def convolved(x, pad, gain):
    taps = torch.tensor([1, 3, 3, 1], dtype=x.dtype) / 8
    kernel = (taps[:, None] * taps * gain).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (*pad, *pad)), kernel, groups=x.shape[1])


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("gain", [1.0, 4.0])
def test_it_is_a_convolution_and_so_is_its_gradient(pad, gain):
    x = torch.randn(2, 3, 9, 11, dtype=torch.float64, requires_grad=True)
    ours, expected = fir(x, pad=pad, gain=gain), convolved(x, pad, gain)
    torch.testing.assert_close(ours, expected)
    gradient = torch.randn_like(expected)
    torch.testing.assert_close(torch.autograd.grad(ours, x, gradient)[0], torch.autograd.grad(expected, x, gradient)[0])


@pytest.mark.parametrize("pad", PADS)
def test_path_lengths_may_differentiate_it_twice(pad):
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: fir(x, pad=pad, gain=4.0).pow(2), x)


def test_half_precision_trains_in_half_precision():
    x = torch.randn(2, 3, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    filtered = fir(x, pad=(2, 1))
    assert filtered.dtype == torch.bfloat16
    filtered.float().sum().backward()
    assert x.grad.dtype == torch.bfloat16
