"""Feature-Style encoder: styles and a feature map for the generator in one pass (Yao et al. 2022, arXiv 2202.02183).

An ArcFace residual network (iresnet: no squeeze-and-excitation) whose pooled maps give the styles, one linear layer per
row of `w_plus`, and whose third stage gives the content: the map that replaces the generator's own at a sixteenth of
the input resolution. At full size (`FeatureStyleConfig()`) this is the published architecture.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.backbone import Four, activations, make_stem, map_channels
from oodinv.models.encoding import CropEncoder, Draw, Encoding
from oodinv.models.layers import without_autocast


@dataclass(frozen=True, kw_only=True)
class FeatureStyleConfig:
    """Shape of a Feature-Style encoder."""

    num_layers: int = 18
    """Rows of `w_plus`."""

    style_dim: int = 512

    input_resolution: int = 256
    """Side the crop is averaged to."""

    stem_width: int = 64

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels after each stage; each stage halves the resolution."""

    units: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual units per stage; (3, 4, 14, 3) is iresnet50."""

    pooled: int = 3
    """Side every stage's map is averaged to before the linear layers read all of them."""

    content_width: int = 512
    """Channels of the content: the generator's at `input_resolution` / 16."""

    inject_content: bool = True
    """Put the content into the generator. The released decomposition code computes it and does not pass it on: False
    gives its pictures."""

    @property
    def map_channels(self) -> dict[int, int]:
        """Channels of the feature maps by resolution."""
        return map_channels(self.input_resolution, self.stem_width, self.widths)

    @property
    def content_channels(self) -> dict[int, int]:
        """Channels of the content by resolution; empty when it is not put into the generator."""
        return {self.input_resolution // 16: self.content_width} if self.inject_content else {}


class PlainResidualUnit(nn.Module):
    """BN, 3x3, BN, PReLU, strided 3x3, BN; the shortcut of a stage's first unit is projected."""

    def __init__(self, num_in: int, num_out: int, *, first: bool):
        super().__init__()
        stride = 2 if first else 1
        self.body = nn.Sequential(
            nn.BatchNorm2d(num_in),
            nn.Conv2d(num_in, num_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(num_out),
            nn.PReLU(num_out),
            nn.Conv2d(num_out, num_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(num_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if first:
            self.shortcut = nn.Sequential(nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out))

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Residual sum."""
        return self.body(x) + self.shortcut(x)


class FeatureStyleEncoder(CropEncoder):
    """Crop to `Encoding`, with content."""

    config: FeatureStyleConfig

    def __init__(self, config: FeatureStyleConfig):
        super().__init__()
        self.config = config
        self.stem = make_stem(3, config.stem_width)
        self.stages = _make_plain_stages(config.stem_width, config.widths, config.units)
        self.content = nn.Sequential(
            nn.BatchNorm2d(config.widths[2]),
            nn.Conv2d(config.widths[2], config.content_width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(config.content_width),
            nn.PReLU(config.content_width),
            nn.Conv2d(config.content_width, config.content_width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(config.content_width),
        )
        num_pooled = sum(config.widths) * config.pooled**2
        self.heads = nn.ModuleList(nn.Linear(num_pooled, config.style_dim) for _ in range(config.num_layers))

    def forward(self, crop: Float[Tensor, "batch 3 size size"], draw: Draw | None = None) -> Encoding:
        """Encode crops in [-1, 1] of any size; one pass, `draw` is not called."""
        config = self.config
        maps = activations(self.stem, self.stages, F.adaptive_avg_pool2d(crop, config.input_resolution))
        pooled = torch.cat([F.adaptive_avg_pool2d(m, config.pooled) for m in maps[1:]], dim=1)
        pooled = pooled.flatten(1)  # channel by channel, each row by row
        with without_autocast(pooled):  # codes stay float32
            codes = [head(pooled.float()) for head in self.heads]
        return Encoding(
            delta_w=torch.stack(codes, dim=1),
            feature_maps={m.shape[-1]: m for m in maps[:4]},
            content={resolution: self.content(maps[3]) for resolution in config.content_channels},
        )


def _make_plain_stages(stem_width: int, widths: Four, units: Four) -> nn.ModuleList:
    stages = nn.ModuleList()
    for num_in, width, count in zip((stem_width, *widths), widths, units, strict=False):
        first = PlainResidualUnit(num_in, width, first=True)
        stages.append(nn.Sequential(first, *(PlainResidualUnit(width, width, first=False) for _ in range(count - 1))))
    return stages
