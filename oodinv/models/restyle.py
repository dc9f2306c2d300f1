"""ReStyle encoder: styles corrected pass by pass (Alaluf et al. 2021, arXiv 2104.02699).

Every pass looks at the photo beside the picture its styles give so far and adds to the styles. An IR-SE backbone reads
both pictures; all style heads sit on its last map. At full size (`RestyleConfig()`) this is the published architecture
for faces.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.backbone import activations, make_stem, map_channels
from oodinv.models.encoding import CropEncoder, Draw, Encoding
from oodinv.models.irse import MergedHeads, StyleHead, make_stages, offsets


@dataclass(frozen=True, kw_only=True)
class RestyleConfig:
    """Shape of a ReStyle encoder."""

    num_layers: int = 18
    """Rows of `w_plus`."""

    style_dim: int = 512

    input_resolution: int = 256
    """Side the crop and the current picture are averaged to."""

    stem_width: int = 64

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels after each stage; each stage halves the resolution."""

    units: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual units per stage; (3, 4, 14, 3) is IR-SE-50."""

    head_width: int = 512
    """Channels inside the style heads."""

    progressive: bool = True
    """Every layer is an offset from the first head's code (ReStyle-e4e); else every head gives its layer
    (ReStyle-pSp)."""

    num_passes: int = 5

    def __post_init__(self):
        """Refuse an encoder that never looks."""
        if self.num_passes < 1:
            raise ValueError(f"num_passes must be at least 1, got {self.num_passes}")

    @property
    def map_channels(self) -> dict[int, int]:
        """Channels of the feature maps by resolution."""
        return map_channels(self.input_resolution, self.stem_width, self.widths)

    @property
    def content_channels(self) -> dict[int, int]:
        """Nothing takes the place of the generator's own feature maps."""
        return {}


class RestyleEncoder(CropEncoder):
    """Crop to `Encoding`, in several passes."""

    config: RestyleConfig

    def __init__(self, config: RestyleConfig):
        super().__init__()
        self.config = config
        self.stem = make_stem(6, config.stem_width)
        self.stages = make_stages(config.stem_width, config.widths, config.units)
        self.heads = nn.ModuleList(
            StyleHead(config.widths[3], config.head_width, config.style_dim, config.input_resolution // 16)
            for _ in range(config.num_layers)
        )
        self._merged: MergedHeads | None = None

    def forward(self, crop: Float[Tensor, "batch 3 size size"], draw: Draw | None = None) -> Encoding:
        """Encode crops in [-1, 1] of any size; `draw` is called once a pass.

        The first pass sees the average picture, drawn for a batch of one. The feature maps are those of the last pass,
        which saw the crop and what the pass before it gave.

        Raises:
            ValueError: There is nothing to draw with.
        """
        if draw is None:
            raise ValueError("a ReStyle encoder corrects what its styles give: pass `draw`, which shows it that")
        config, num_crops = self.config, crop.shape[0]
        photo = self._averaged(crop)
        delta_w = crop.new_zeros(1, config.num_layers, config.style_dim)
        maps: list[Tensor] = []
        for _ in range(config.num_passes):
            current = self._averaged(draw(delta_w)).expand(num_crops, -1, -1, -1)
            *maps, last = activations(self.stem, self.stages, torch.cat([photo, current], dim=1))
            delta_w = delta_w + offsets(self._codes(last), progressive=config.progressive)
        return Encoding(delta_w=delta_w, feature_maps={m.shape[-1]: m for m in maps})

    def _codes(self, x: Tensor) -> list[Tensor]:
        if self._merged is not None and not torch.is_grad_enabled():
            return self._merged(x)
        return [head(x) for head in self.heads]

    def accelerate(self) -> None:
        """See `models.accelerate`."""
        heads = [cast(StyleHead, head) for head in self.heads]
        self._merged = MergedHeads(heads) if heads[0].convs else None

    def _averaged(self, image: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(image, self.config.input_resolution)
