"""Primitives of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), pure PyTorch, any device.

Convention: images and feature maps are [batch, channel, height, width]. FIR kernels are one-dimensional, applied
along both axes and normalised to a DC gain of one (of `gain` where given).
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FIR_TAPS = (1.0, 3.0, 3.0, 1.0)
CACHE_BYTES = 2**21
"""Of a feature map worked on at a time, on a processor."""


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A context in which operations on `x`'s device take the dtypes they are given."""
    # The meta device has no autocast to switch off.
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def leaky_relu(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Leaky ReLU of slope 0.2, scaled by sqrt(2) so that unit variance stays unit variance."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def fir(
    x: Float[Tensor, "batch channel height width"], *, pad: tuple[int, int], gain: float = 1.0
) -> Float[Tensor, "batch channel height2 width2"]:
    """Low-pass by the separable kernel [1, 3, 3, 1] / 8, zeros outside.

    Args:
        x: Feature map.
        pad: Zeros added before and after, on both axes. The output is `pad[0] + pad[1] - 3` pixels larger.
        gain: Factor on the result.

    Returns:
        The filtered map.
    """
    if x.device.type == "cpu" and not torch.is_grad_enabled():
        return _fir_by_channels(x, pad, *_weights(gain))
    filtered: Tensor = _Fir.apply(x, pad, gain)
    return filtered


def _weights(gain: float) -> tuple[float, float]:
    """Of the outer two and the inner two taps, on one axis."""
    total = sum(FIR_TAPS)
    outer, inner = (tap / total * math.sqrt(gain) for tap in FIR_TAPS[:2])
    return outer, inner


class _Fir(torch.autograd.Function):
    """The filter is symmetric, so its gradient is the filter again. Autograd's own, of many slices, costs far more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: tuple[int, int], gain: float) -> Tensor:
        """Shifted sums instead of a depthwise convolution: several times faster on a CPU."""
        ctx.pad, ctx.gain = pad, gain
        outer, inner = _weights(gain)
        x = F.pad(x, (*pad, *pad))
        width, height = (size - len(FIR_TAPS) + 1 for size in (x.shape[3], x.shape[2]))
        lines = x[..., 0:width] + x[..., 3 : 3 + width]
        lines.mul_(outer).add_(x[..., 1 : 1 + width], alpha=inner).add_(x[..., 2 : 2 + width], alpha=inner)
        out = lines[:, :, 0:height] + lines[:, :, 3 : 3 + height]
        return (
            out.mul_(outer)
            .add_(lines[:, :, 1 : 1 + height], alpha=inner)
            .add_(lines[:, :, 2 : 2 + height], alpha=inner)
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """What the forward pass cut off at a border, the backward pass adds there, and the other way round."""
        first, last = ctx.pad
        beyond = len(FIR_TAPS) - 1
        return _Fir.apply(gradient, (beyond - first, beyond - last), ctx.gain), None, None


def _fir_by_channels(x: Tensor, pad: tuple[int, int], outer: float, inner: float) -> Tensor:
    """The same sums, a few channels at a time and in place, so that they stay in the cache."""
    growth = sum(pad) - len(FIR_TAPS) + 1
    height, width = x.shape[2] + growth, x.shape[3] + growth
    out = x.new_empty(*x.shape[:2], height, width)
    for some, into in zip(in_cache(x), in_cache(out, like=x), strict=True):
        padded = F.pad(some, (*pad, *pad))
        lines = padded[..., 0:width] + padded[..., 3 : 3 + width]
        lines.mul_(outer).add_(padded[..., 1 : 1 + width], alpha=inner).add_(padded[..., 2 : 2 + width], alpha=inner)
        torch.add(lines[:, 0:height], lines[:, 3 : 3 + height], out=into)
        into.mul_(outer).add_(lines[:, 1 : 1 + height], alpha=inner).add_(lines[:, 2 : 2 + height], alpha=inner)
    return out


def in_cache(x: Float[Tensor, "batch channel height width"], like: Tensor | None = None) -> list[Tensor]:
    """Views [some channels, height, width] of a map that fit into a processor's cache, in order.

    Args:
        x: Feature map.
        like: Cut at the same channels as this map; None = `x`.
    """
    pixels = (x if like is None else like)[0, 0].numel()
    channels = max(1, CACHE_BYTES // (4 * max(pixels, 1)))
    return [some for image in x for some in image.split(channels)]


def fir_upsample(
    x: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "batch channel height2 width2"]:
    """Upsample twofold: zeros between the pixels, then the FIR filter with gain 4 (padding 2, 1)."""
    batch, channel, height, width = x.shape
    spread = x.new_zeros(batch, channel, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = x
    return fir(spread, pad=(2, 1), gain=4.0)


def instance_norm(
    x: Float[Tensor, "batch channel height width"],
    weight: Float[Tensor, " channel"] | None = None,
    bias: Float[Tensor, " channel"] | None = None,
) -> Float[Tensor, "batch channel height width"]:
    """Each image's channels to mean 0 and variance 1 (plus 1e-5), then `weight` times it plus `bias`."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled():
        with without_autocast(x):  # statistics of half-precision numbers in float32
            return F.instance_norm(x.float(), weight=weight, bias=bias).to(x.dtype)
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    channel, num_channels = 0, x.shape[1]
    for some, into in zip(in_cache(x), in_cache(out), strict=True):
        part = slice(channel, channel + len(some))
        mean = some.mean(dim=(1, 2), keepdim=True)
        torch.sub(some, mean, out=into)
        square = torch.linalg.vector_norm(into, dim=(1, 2), keepdim=True).square() / some[0].numel()
        scale = torch.rsqrt(square + 1e-5)
        into.mul_(scale if weight is None else scale * weight[part, None, None])
        if bias is not None:
            into.add_(bias[part, None, None])
        channel = part.stop % num_channels
    return out


class InstanceNorm(nn.InstanceNorm2d):
    """Affine `instance_norm` as a layer."""

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        """Normalise."""
        return instance_norm(x, self.weight, self.bias)


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate: a stored weight of unit variance, scaled at run time."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        *,
        bias_init: float = 0.0,
        rate_multiplier: float = 1.0,
        activate: bool = False,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_out, num_in) / rate_multiplier)
        self.bias = nn.Parameter(torch.full((num_out,), float(bias_init)))
        self.weight_scale = rate_multiplier / math.sqrt(num_in)
        self.bias_scale = rate_multiplier
        self.activate = activate

    def forward(self, x: Float[Tensor, "... num_in"]) -> Float[Tensor, "... num_out"]:
        """Apply the layer (and the leaky ReLU when asked for at construction), in float32 also under autocast."""
        # Styles scale whole channels: their rounding would not average out.
        with without_autocast(x):
            x = F.linear(x.float(), self.weight * self.weight_scale, self.bias * self.bias_scale)
            return leaky_relu(x) if self.activate else x


def modulated_conv2d(
    x: Float[Tensor, "batch channel height width"],
    weight: Float[Tensor, "out channel kernel kernel"],
    style: Float[Tensor, "batch channel"],
    *,
    demodulate: bool = True,
    upsample: bool = False,
    convolve: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, "batch out height2 width2"]:
    """Convolve with a kernel scaled per sample and input channel (StyleGAN2, section 2.2, Eq. 1 and 3).

    Written on the activations: input times style, one shared convolution, output times the demodulation factor. This
    equals the per-sample kernels up to rounding and keeps one batched convolution. A single image of a large map is
    evaluated with a scaled kernel instead.

    Args:
        x: Feature map.
        weight: Kernel, its equalised scale already applied.
        style: Scale of each input channel.
        demodulate: Divide each output channel by the norm of its modulated kernel.
        upsample: Transposed convolution of stride 2 followed by the FIR low-pass: twice the height and width.
        convolve: Does the convolution with `weight` in a faster way.

    Returns:
        The convolved map, before noise, bias and activation.
    """
    norm = None
    if demodulate:
        # In float32 under autocast: squares of small half-precision numbers vanish.
        with without_autocast(x):
            energy = style.float().square() @ weight.float().square().sum(dim=(2, 3)).t()  # [batch, out]
            norm = torch.rsqrt(energy + 1e-8)
    if x.shape[0] == 1 and weight.numel() < x.numel() and convolve is None and not torch.is_grad_enabled():
        # The kernel is the smaller one to scale.
        weight = weight * style[0, :, None, None]
        if norm is not None:
            weight = weight * norm[0, :, None, None, None]
        return _convolve(x, weight, upsample)
    x = _scaled(x, style)
    x = _convolve(x, weight, upsample) if convolve is None else convolve(x)
    return x if norm is None else scale_channels(x, norm)


def _convolve(x: Tensor, weight: Tensor, upsample: bool) -> Tensor:
    if not upsample:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    # A transposed convolution slides the flipped kernel; published up-convolution kernels are stored for it.
    return fir(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), pad=(1, 1), gain=4.0)


def add_to(x: Float[Tensor, "*shape"], y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The sum, in place of `x` where no gradient is wanted."""
    return x + y if torch.is_grad_enabled() else x.add_(y)


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    """Each channel times its float32 factor, in `x`'s dtype; the factor is rounded to it as `_to_multiply` says."""
    factor = factor[:, :, None, None]
    if torch.is_grad_enabled():
        return (x * _to_multiply(factor, x)).to(x.dtype)
    return torch.mul(x, factor, out=torch.empty_like(x))


def _to_multiply(factor: Tensor, x: Tensor) -> Tensor:
    """Where a processor trains in half precision, products of two dtypes take most of a step's time: not there."""
    return factor.to(x.dtype) if x.device.type == "cpu" else factor


def scale_channels(
    x: Float[Tensor, "batch channel height width"], factor: Float[Tensor, "batch channel"]
) -> Float[Tensor, "batch channel height width"]:
    """Multiply each channel by a float32 factor; in place where no gradient is wanted."""
    factor = factor[:, :, None, None]
    return (x * _to_multiply(factor, x)).to(x.dtype) if torch.is_grad_enabled() else x.mul_(factor)


def bias_act(
    x: Float[Tensor, "batch channel height width"],
    bias: Float[Tensor, " channel"],
    noise: Float[Tensor, "#batch 1 height width"] | None,
) -> Float[Tensor, "batch channel height width"]:
    """Noise, bias and leaky ReLU; overwrites `x` where no gradient is wanted."""
    if torch.is_grad_enabled() or x.device.type != "cpu":
        x = x if noise is None else x + noise.to(x.dtype)
        return leaky_relu(x + bias[:, None, None].to(x.dtype))
    # A few channels at a time: each step finds them in the cache.
    biases = [part for _ in x for part in bias.to(x.dtype)[:, None, None].split(in_cache(x[:1])[0].shape[0])]
    per_image = len(biases) // len(x)
    for index, (some, its_bias) in enumerate(zip(in_cache(x), biases, strict=True)):
        some.add_(its_bias)
        if noise is not None:
            some.add_(noise[min(index // per_image, len(noise) - 1)].to(x.dtype))
        F.leaky_relu_(some, 0.2).mul_(math.sqrt(2))
    return x
