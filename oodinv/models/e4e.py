"""e4e-style encoder: a crop to style offsets and feature maps (Tov et al. 2021, arXiv 2102.02766).

An IR-SE backbone, a feature pyramid over its last three stages, and one style head per layer of `w_plus`. At full size
(`EncoderConfig()`) this is the published architecture.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.backbone import activations, make_stem, map_channels
from oodinv.models.encoding import CropEncoder, Draw, Encoding
from oodinv.models.irse import MergedHeads, StyleHead, make_stages, offsets

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
        return map_channels(self.input_resolution, self.stem_width, self.widths)

    @property
    def content_channels(self) -> dict[int, int]:
        """Nothing takes the place of the generator's own feature maps."""
        return {}


class Encoder(CropEncoder):
    """Crop to `Encoding`."""

    config: EncoderConfig

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.stem = make_stem(3, config.stem_width)
        self.stages = make_stages(config.stem_width, config.widths, config.units)
        pyramid = config.widths[3]
        self.lateral_middle = nn.Conv2d(config.widths[2], pyramid, 1)
        self.lateral_fine = nn.Conv2d(config.widths[1], pyramid, 1)
        coarse = config.input_resolution // 16
        self.heads = nn.ModuleList(
            StyleHead(pyramid, config.head_width, config.style_dim, coarse * self._level(index))
            for index in range(config.num_layers)
        )
        # By level, once `accelerate` was called.
        self._merged: dict[int, MergedHeads] = {}

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
        *maps, coarse = activations(self.stem, self.stages, x)
        middle = self._upsample(coarse, maps[3]) + self.lateral_middle(maps[3])
        fine = self._upsample(middle, maps[2]) + self.lateral_fine(maps[2])
        by_level = {1: coarse, 2: middle, 4: fine}
        codes = [code for level, x in by_level.items() for code in self._codes(level, x)]
        return Encoding(
            delta_w=offsets(codes, progressive=config.progressive), feature_maps={m.shape[-1]: m for m in maps}
        )

    def _codes(self, level: int, x: Tensor) -> list[Tensor]:
        if level in self._merged and not torch.is_grad_enabled():
            return self._merged[level](x)
        return [head(x) for head in self._heads_at(level)]

    def _heads_at(self, level: int) -> list[StyleHead]:
        return [cast(StyleHead, head) for index, head in enumerate(self.heads) if self._level(index) == level]

    def accelerate(self) -> None:
        """See `models.accelerate`."""
        by_level = {level: self._heads_at(level) for level in (1, 2, 4)}
        self._merged = {level: MergedHeads(heads) for level, heads in by_level.items() if heads and heads[0].convs}

    def _upsample(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[-2:], mode=self.config.pyramid_upsample, align_corners=True)
