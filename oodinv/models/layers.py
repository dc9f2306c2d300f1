"""Primitives of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), pure PyTorch, any device.

Convention: images and feature maps are [batch, channel, height, width]. FIR kernels are one-dimensional, applied
along both axes and normalised to a DC gain of one (of `gain` where given).
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FIR_TAPS = (1.0, 3.0, 3.0, 1.0)


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
    # Shifted sums instead of a depthwise convolution: several times faster on a CPU, forward and backward.
    total = sum(FIR_TAPS)
    taps = [tap / total * math.sqrt(gain) for tap in FIR_TAPS]
    x = F.pad(x, (*pad, *pad))
    width = x.shape[3] - len(taps) + 1
    x = taps[0] * (x[..., 0:width] + x[..., 3 : 3 + width]) + taps[1] * (x[..., 1 : 1 + width] + x[..., 2 : 2 + width])
    height = x.shape[2] - len(taps) + 1
    return taps[0] * (x[:, :, 0:height] + x[:, :, 3 : 3 + height]) + taps[1] * (
        x[:, :, 1 : 1 + height] + x[:, :, 2 : 2 + height]
    )


def fir_upsample(
    x: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "batch channel height2 width2"]:
    """Upsample twofold: zeros between the pixels, then the FIR filter with gain 4 (padding 2, 1)."""
    batch, channel, height, width = x.shape
    spread = x.new_zeros(batch, channel, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = x
    return fir(spread, pad=(2, 1), gain=4.0)


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
        """Apply the layer (and the leaky ReLU when asked for at construction)."""
        x = F.linear(x, self.weight * self.weight_scale, self.bias * self.bias_scale)
        return leaky_relu(x) if self.activate else x


def modulated_conv2d(
    x: Float[Tensor, "batch channel height width"],
    weight: Float[Tensor, "out channel kernel kernel"],
    style: Float[Tensor, "batch channel"],
    *,
    demodulate: bool = True,
    upsample: bool = False,
) -> Float[Tensor, "batch out height2 width2"]:
    """Convolve with a kernel scaled per sample and input channel (StyleGAN2, section 2.2, Eq. 1 and 3).

    Written on the activations: input times style, one shared convolution, output times the demodulation factor. This
    equals the per-sample kernels up to rounding and keeps one batched convolution.

    Args:
        x: Feature map.
        weight: Kernel, its equalised scale already applied.
        style: Scale of each input channel.
        demodulate: Divide each output channel by the norm of its modulated kernel.
        upsample: Transposed convolution of stride 2 followed by the FIR low-pass: twice the height and width.

    Returns:
        The convolved map, before noise, bias and activation.
    """
    padding = weight.shape[-1] // 2
    x = x * style[:, :, None, None].to(x.dtype)
    if upsample:
        # A transposed convolution slides the flipped kernel; published up-convolution kernels are stored for it.
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = fir(x, pad=(1, 1), gain=4.0)
    else:
        x = F.conv2d(x, weight, padding=padding)
    if demodulate:
        # In float32 under autocast: squares of small half-precision numbers vanish.
        with torch.autocast(x.device.type, enabled=False):
            energy = style.float().square() @ weight.float().square().sum(dim=(2, 3)).t()  # [batch, out]
            norm = torch.rsqrt(energy + 1e-8)
        x = x * norm[:, :, None, None].to(x.dtype)
    return x
