"""Differentiable augmentations for a discriminator (Karras et al. 2020, arXiv 2006.06676, appendix B).

Pixel blitting, geometry and colour of the paper's best set, each drawn for each picture with probability p. All of
geometry is one affine warp and all of colour one matrix, so that pictures are resampled once. What the discriminator
sees may be mirrored, turned and tinted, what the generator draws is not, as long as p stays below 1.

Convention: warps are backward, in normalised coordinates with x first (`align_corners=False`), and reflect at the
borders. Colours are matrices [3, 4] on RGB in [-1, 1], the last column added.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.models.layers import without_autocast

_GREY = torch.full((3, 1), 1 / math.sqrt(3))


def augment(
    image: Float[Tensor, "batch 3 size size"], p: float, rng: torch.Generator
) -> Float[Tensor, "batch 3 size size"]:
    """Augment each picture by its own draw.

    Args:
        image: RGB in [-1, 1]; gradients flow through.
        p: Probability of every augmentation; 0 returns the picture itself.
        rng: Of the image's device.
    """
    if p <= 0:
        return image
    count = len(image)
    # A half-precision matrix would be off by pixels.
    with without_autocast(image):
        return recolour(warp(image.float(), geometry(count, p, rng)), colours(count, p, rng))


def warp(
    image: Float[Tensor, "batch 3 size size"], matrix: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch 3 size size"]:
    """Sample pictures at transformed coordinates, bilinearly."""
    grid = F.affine_grid(matrix[:, :2], list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def recolour(
    image: Float[Tensor, "batch 3 size size"], matrix: Float[Tensor, "batch 3 4"]
) -> Float[Tensor, "batch 3 size size"]:
    """Apply a colour matrix to every pixel."""
    return torch.einsum("bij,bjhw->bihw", matrix[:, :, :3], image) + matrix[:, :, 3, None, None]


def geometry(count: int, p: float, rng: torch.Generator) -> Float[Tensor, "count 3 3"]:
    """Mirroring, quarter turns, shifts, scales and rotations: from coordinates in the result to those in the source."""
    draw = _Draw(count, rng)
    matrix = torch.eye(3, device=rng.device).expand(count, 3, 3)
    flip = 1 - 2 * draw.chosen(p, draw.integer(2))
    matrix = matrix @ _scale(flip, torch.ones_like(flip))
    matrix = matrix @ _rotate(draw.chosen(p, draw.integer(4)) * (math.pi / 2))
    shift = draw.chosen(p, draw.uniform(2) * 0.25)  # an eighth of the side: two units are the side
    matrix = matrix @ _translate(shift)
    size = 2 ** draw.chosen(p, 0.2 * draw.normal())
    matrix = matrix @ _scale(size, size)
    # Two rotations around the stretching: the direction of the stretch is then free, and one of them comes with
    # probability p.
    turn = 1 - math.sqrt(1 - min(p, 1.0))
    matrix = matrix @ _rotate(draw.chosen(turn, draw.uniform() * math.pi))
    stretch = 2 ** draw.chosen(p, 0.2 * draw.normal())
    matrix = matrix @ _scale(stretch, 1 / stretch)
    matrix = matrix @ _rotate(draw.chosen(turn, draw.uniform() * math.pi))
    return matrix @ _translate(draw.chosen(p, 0.25 * draw.normal(2)))


def colours(count: int, p: float, rng: torch.Generator) -> Float[Tensor, "count 3 4"]:
    """Brightness, contrast, inverted lightness, hue and saturation."""
    draw = _Draw(count, rng)
    grey = _GREY.to(rng.device)
    along = grey @ grey.T  # projects on the grey axis
    eye = torch.eye(3, device=rng.device)
    added = draw.chosen(p, 0.2 * draw.normal()).view(-1, 1, 1).expand(-1, 3, 1)
    contrast = (2 ** draw.chosen(p, 0.5 * draw.normal())).view(-1, 1, 1)
    flip = draw.chosen(p, draw.integer(2)).view(-1, 1, 1)
    hue = draw.chosen(p, draw.uniform() * math.pi).view(-1, 1, 1)
    saturation = (2 ** draw.chosen(p, draw.normal())).view(-1, 1, 1)
    luma = eye - 2 * along * flip
    # Rodrigues' rotation around the grey axis.
    a = 1 / math.sqrt(3)
    cross = torch.tensor([[0, -a, a], [a, 0, -a], [-a, a, 0]], device=rng.device)
    rotation = along + hue.cos() * (eye - along) + hue.sin() * cross
    saturate = along + (eye - along) * saturation
    linear = saturate @ rotation @ luma
    return torch.cat([linear * contrast, linear @ (contrast * added)], dim=2)


class _Draw:
    """One number, or two, for each picture."""

    def __init__(self, count: int, rng: torch.Generator):
        self.count, self.rng = count, rng

    def uniform(self, columns: int = 0) -> Tensor:
        """In [-1, 1)."""
        return self._rand(columns) * 2 - 1

    def normal(self, columns: int = 0) -> Tensor:
        return torch.randn(self._shape(columns), generator=self.rng, device=self.rng.device)

    def integer(self, below: int) -> Tensor:
        return (self._rand(0) * below).floor()

    def chosen(self, p: float, value: Tensor) -> Tensor:
        """The value with probability p for each picture, else 0."""
        keep = (self._rand(0) < p).to(value.dtype)
        return value * (keep if value.dim() == 1 else keep[:, None])

    def _rand(self, columns: int) -> Tensor:
        return torch.rand(self._shape(columns), generator=self.rng, device=self.rng.device)

    def _shape(self, columns: int) -> tuple[int, ...]:
        return (self.count, columns) if columns else (self.count,)


def _rows(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _rows([x, zero, zero], [zero, y, zero], [zero, zero, one])


def _rotate(angle: Tensor) -> Tensor:
    zero, one, c, s = torch.zeros_like(angle), torch.ones_like(angle), angle.cos(), angle.sin()
    return _rows([c, -s, zero], [s, c, zero], [zero, zero, one])


def _translate(by: Tensor) -> Tensor:
    zero, one = torch.zeros_like(by[:, 0]), torch.ones_like(by[:, 0])
    return _rows([one, zero, by[:, 0]], [zero, one, by[:, 1]], [zero, zero, one])
