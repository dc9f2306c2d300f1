"""3x3 convolutions that a network in evaluation may do faster, once it was told that its weights stay."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.winograd import conv3x3, transform_kernel

NARROWEST = 128
"""Channels on both sides from which the transformed convolution was faster than the direct one on every size measured
(benchmarks/README.md)."""


SMALLEST = 256
"""Pixels of a map below which the transformations cost more than they save."""


class FastConvs(nn.Module):
    """Named 3x3 convolutions of stride 1. Holds no weights of its own, and nothing of the state dict.

    Until `transform` is called for a name, and wherever a gradient is wanted, it is `F.conv2d`.
    """

    def transform(self, name: str, weight: Float[Tensor, "out channel 3 3"]) -> None:
        """Prepare a convolution whose weight does not change any more; narrow ones stay as they are."""
        if min(weight.shape[:2]) >= NARROWEST:
            self.register_buffer(name, transform_kernel(weight), persistent=False)

    def ready(self, name: str, x: Tensor) -> bool:
        """Whether `forward` would use the transformed kernel for a map like `x`."""
        usable = x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        large = x.shape[-1] * x.shape[-2] >= SMALLEST
        return name in self._buffers and usable and large and not torch.is_grad_enabled()

    def forward(
        self,
        name: str,
        x: Float[Tensor, "batch channel height width"],
        weight: Float[Tensor, "out channel 3 3"],
        bias: Float[Tensor, " out"] | None = None,
    ) -> Float[Tensor, "batch out height width"]:
        """Convolve with a border of one zero."""
        if not self.ready(name, x):
            return F.conv2d(x, weight, bias, padding=1)
        out = conv3x3(x, cast(Tensor, self._buffers[name]))
        return out if bias is None else out.add_(bias[:, None, None])
