"""The IR-SE backbone and the style heads on top of it: what e4e, ReStyle and the identity network are made of.

ArcFace's improved residual units (Deng et al. 2019, arXiv 1801.07698) with squeeze-and-excitation; the heads are those
of pSp (Richardson et al. 2021, arXiv 2008.00951).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.backbone import Four
from oodinv.models.layers import EqualLinear


class SqueezeExcite(nn.Module):
    """Channel gate from the global mean (Hu et al. 2018)."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel height width"]:
        """Scale each channel by a factor in (0, 1)."""
        gate = self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class ResidualUnit(nn.Module):
    """BN, 3x3, PReLU, strided 3x3, BN, squeeze-and-excitation; the shortcut is strided or projected."""

    def __init__(self, num_in: int, num_out: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(num_in),
            nn.Conv2d(num_in, num_out, 3, 1, 1, bias=False),
            nn.PReLU(num_out),
            nn.Conv2d(num_out, num_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(num_out),
            SqueezeExcite(num_out),
        )
        if num_in == num_out:
            self.shortcut: nn.Module = nn.MaxPool2d(1, stride)
        else:
            self.shortcut = nn.Sequential(nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out))

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Residual sum."""
        return self.body(x) + self.shortcut(x)


def make_stages(stem_width: int, widths: Four, units: Four) -> nn.ModuleList:
    """Four stages of `units` residual units each; the first unit of a stage halves the resolution."""
    stages = nn.ModuleList()
    for num_in, width, count in zip((stem_width, *widths), widths, units, strict=False):
        first = ResidualUnit(num_in, width, 2)
        stages.append(nn.Sequential(first, *(ResidualUnit(width, width, 1) for _ in range(count - 1))))
    return stages


class StyleHead(nn.Module):
    """Strided convolutions down to one pixel, then an equalised linear layer."""

    def __init__(self, num_in: int, width: int, style_dim: int, spatial: int):
        super().__init__()
        channels = [num_in] + [width] * int(math.log2(spatial))
        layers: list[nn.Module] = []
        for a, b in pairwise(channels):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(channels[-1], style_dim)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch style_dim"]:
        """Feature map to one style offset."""
        return self.linear(self.convs(x).flatten(1))


class MergedHeads:
    """The first convolution of all heads on one map as one: one wide product instead of many.

    The heads' weights become views of the wide one, so nothing is stored twice; modules and state dict stay theirs.
    """

    def __init__(self, heads: Sequence[StyleHead]):
        """Merge heads that have a convolution; their weights must not change any more."""
        firsts = [cast(nn.Conv2d, head.convs[0]) for head in heads]
        self._heads = heads
        self._width = firsts[0].weight.shape[0]
        self._weight = torch.cat([conv.weight.detach() for conv in firsts])
        self._bias = torch.cat([cast(Tensor, conv.bias).detach() for conv in firsts])
        parts = zip(firsts, self._weight.split(self._width), self._bias.split(self._width), strict=True)
        for conv, weight, bias in parts:
            conv.weight.data, cast(Tensor, conv.bias).data = weight, bias

    def __call__(self, x: Float[Tensor, "batch channel height width"]) -> list[Float[Tensor, "batch style_dim"]]:
        """Codes of all heads."""
        wide = F.conv2d(x, self._weight, self._bias, stride=2, padding=1).split(self._width, dim=1)
        return [head.linear(head.convs[1:](part).flatten(1)) for head, part in zip(self._heads, wide, strict=True)]


def offsets(
    codes: Sequence[Float[Tensor, "batch style_dim"]], *, progressive: bool
) -> Float[Tensor, "batch layers style_dim"]:
    """Offsets of all layers from their heads' codes.

    Args:
        codes: One per head.
        progressive: Every layer is an offset from the first head's code (e4e, section 3.2); else every head gives its
            layer (pSp).
    """
    first, *others = codes
    return torch.stack([first, *(first + code if progressive else code for code in others)], dim=1)
