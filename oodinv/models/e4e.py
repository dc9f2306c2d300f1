"""e4e-style encoder: a crop to style offsets and feature maps (Tov et al. 2021, arXiv 2102.02766).

An IR-SE backbone (ArcFace's improved residual units with squeeze-and-excitation), a feature pyramid over its last
three stages, and one style head per layer of `w_plus`. At full size (`EncoderConfig()`) this is the published
architecture.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.encoding import CropEncoder, Draw, Encoding
from oodinv.models.layers import EqualLinear

Resample = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Shape of an encoder."""

    num_layers: int = 18
    """Rows of `w_plus`."""

    style_dim: int = 512

    input_resolution: int = 256
    """Side the crop is resized to."""

    stem_width: int = 64

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels after each stage; each stage halves the resolution."""

    units: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual units per stage; (3, 4, 14, 3) is IR-SE-50."""

    head_width: int = 512
    """Channels inside the style heads and of the pyramid."""

    num_coarse: int = 3
    """Heads on the last stage; the next `num_middle` sit on the stage before, the rest on the one before that."""

    num_middle: int = 4

    pyramid_upsample: Resample = "bilinear"
    """Resampling of the pyramid, corners aligned."""

    antialias: bool = True
    """Low-pass before the crop is resized to `input_resolution`."""

    progressive: bool = True
    """Every layer is an offset from the first head's code (e4e, section 3.2); else every head gives its layer (pSp)."""

    @property
    def map_channels(self) -> dict[int, int]:
        """Channels of the feature maps by resolution."""
        maps = {self.input_resolution: self.stem_width}
        return maps | {self.input_resolution // 2 ** (k + 1): self.widths[k] for k in range(3)}


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


class Encoder(CropEncoder):
    """Crop to `Encoding`."""

    config: EncoderConfig

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(3, config.stem_width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(config.stem_width),
            nn.PReLU(config.stem_width),
        )
        self.stages = nn.ModuleList()
        num_in = config.stem_width
        for width, count in zip(config.widths, config.units, strict=True):
            units = [ResidualUnit(num_in, width, 2)] + [ResidualUnit(width, width, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*units))
            num_in = width
        pyramid = config.widths[3]
        self.lateral_middle = nn.Conv2d(config.widths[2], pyramid, 1)
        self.lateral_fine = nn.Conv2d(config.widths[1], pyramid, 1)
        coarse = config.input_resolution // 16
        self.heads = nn.ModuleList(
            StyleHead(pyramid, config.head_width, config.style_dim, coarse * self._level(index))
            for index in range(config.num_layers)
        )

    def _level(self, index: int) -> int:
        """Resolution of a head's map, in multiples of the last stage's: 1, 2 or 4."""
        if index < self.config.num_coarse:
            return 1
        return 2 if index < self.config.num_coarse + self.config.num_middle else 4

    def forward(self, crop: Float[Tensor, "batch 3 size size"], draw: Draw | None = None) -> Encoding:
        """Encode crops in [-1, 1] of any size; one pass, `draw` is not called."""
        config = self.config
        x = crop
        if x.shape[-1] != config.input_resolution:
            size = (config.input_resolution, config.input_resolution)
            x = F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=config.antialias)
        x = self.stem(x)
        feature_maps = {x.shape[-1]: x}
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        feature_maps.update({m.shape[-1]: m for m in maps[:3]})
        coarse = maps[3]
        middle = self._upsample(coarse, maps[2]) + self.lateral_middle(maps[2])
        fine = self._upsample(middle, maps[1]) + self.lateral_fine(maps[1])
        by_level = {1: coarse, 2: middle, 4: fine}
        offsets = [head(by_level[self._level(index)]) for index, head in enumerate(self.heads)]
        if config.progressive:
            offsets[1:] = [offsets[0] + offset for offset in offsets[1:]]
        delta_w = torch.stack(offsets, dim=1)
        return Encoding(delta_w=delta_w, feature_maps=feature_maps)

    def _upsample(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[-2:], mode=self.config.pyramid_upsample, align_corners=True)
