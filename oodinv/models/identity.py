"""Identity network: whose face it is, as a direction (ArcFace, Deng et al. 2019, arXiv 1801.07698).

An IR-SE backbone and one linear layer. At full size (`IdentityConfig()`) this is the network of the widespread
`model_ir_se50.pth`. It serves as a frozen measure and is always used in evaluation mode.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.backbone import activations, make_stem
from oodinv.models.irse import make_stages

_OF = 256
_ROWS, _COLUMNS = (35, 223), (32, 220)
"""The face in an FFHQ-aligned crop of `_OF` pixels: from, to (exclusive)."""


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """Shape of an identity network."""

    input_resolution: int = 112
    """Side the face is averaged to, a multiple of 16."""

    stem_width: int = 64

    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    """Channels after each stage; each stage halves the resolution."""

    units: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual units per stage; (3, 4, 14, 3) is IR-SE-50."""

    embedding_dim: int = 512

    def __post_init__(self):
        """Refuse a resolution that four stages do not halve evenly."""
        if self.input_resolution < 16 or self.input_resolution % 16:
            raise ValueError(f"input_resolution must be a multiple of 16, got {self.input_resolution}")


class IdentityNetwork(nn.Module):
    """FFHQ-aligned crops to directions on the unit sphere."""

    def __init__(self, config: IdentityConfig):
        super().__init__()
        self.config = config
        self.stem = make_stem(3, config.stem_width)
        self.stages = make_stages(config.stem_width, config.widths, config.units)
        self.map_norm = nn.BatchNorm2d(config.widths[3])
        self.linear = nn.Linear(config.widths[3] * (config.input_resolution // 16) ** 2, config.embedding_dim)
        self.embedding_norm = nn.BatchNorm1d(config.embedding_dim)

    def embed(self, image: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch embedding_dim"]:
        """Directions of unit length.

        Args:
            image: FFHQ-aligned crops of any size, RGB in [-1, 1]. The face is cut out and averaged to
                `input_resolution`; it is not aligned again.
        """
        face = F.adaptive_avg_pool2d(crop_face(image), self.config.input_resolution)
        last = activations(self.stem, self.stages, face)[-1]
        return F.normalize(self.embedding_norm(self.linear(self.map_norm(last).flatten(1))), dim=1)

    def similarity(
        self, a: Float[Tensor, "batch 3 size_a size_a"], b: Float[Tensor, "batch 3 size_b size_b"]
    ) -> Float[Tensor, " batch"]:
        """Cosine of the angle between two faces' directions: 1 for the same picture; see `embed`."""
        return (self.embed(a) * self.embed(b)).sum(dim=1)


def crop_face(image: Float[Tensor, "batch channel size size"]) -> Float[Tensor, "batch channel height width"]:
    """The face of an FFHQ-aligned crop: rows 35 to 223 and columns 32 to 220 of 256, scaled to the crop's size."""
    size = image.shape[-1]
    top, bottom, left, right = (edge * size // _OF for edge in (*_ROWS, *_COLUMNS))
    return image[..., top:bottom, left:right]
