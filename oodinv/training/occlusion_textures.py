"""Surfaces of synthetic occlusions: paint, pattern, noise, skin, and pieces of other pictures.

Every texture is a function of the crops it will lie on and gives colours in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.training.dice import Dice
from oodinv.training.occlusion_shapes import grid

Colours = Float[Tensor, "count 3 size size"]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a texture may be made of."""

    crop: Float[Tensor, "count 3 size size"] = field(repr=False)
    """The image under each occlusion."""
    donor: Float[Tensor, "count 3 size size"] = field(repr=False)
    """Another image for each: of the batch, or a photograph of anything."""

    @property
    def size(self) -> int:
        """Side in pixels."""
        return int(self.crop.shape[-1])


def plain(scene: Scene, dice: Dice, n: int) -> Colours:
    """One colour; grey, black and white as often as colours."""
    colour = dice.colour(n)
    grey = (dice.chance(n, 0.4) > 0)[:, None]
    return torch.where(grey, colour.mean(dim=1, keepdim=True) * 1.7, colour).expand(-1, -1, scene.size, scene.size)


def gradient(scene: Scene, dice: Dice, n: int) -> Colours:
    """From one colour to another, across any direction."""
    x, y = grid(scene.size, scene.crop.device)
    angle = dice.uniform(n, 0, 6.2832)
    return _mix(dice, n, ((x * angle.cos() + y * angle.sin()) * dice.uniform(n, 0.3, 1) + 0.5).clamp(0, 1))


def stripes(scene: Scene, dice: Dice, n: int) -> Colours:
    """Hard or soft, straight or curved."""
    x, y = grid(scene.size, scene.crop.device)
    angle, frequency = dice.uniform(n, 0, 3.1416), dice.log_uniform(n, 4, 60)
    along = x * angle.cos() + y * angle.sin() + dice.uniform(n, 0, 0.3) * (3 * y - 2 * x).sin()
    return _mix(dice, n, torch.sigmoid((along * frequency).sin() * dice.log_uniform(n, 1, 30)))


def checks(scene: Scene, dice: Dice, n: int) -> Colours:
    """Squares or dots on a grid at any angle."""
    x, y = grid(scene.size, scene.crop.device)
    angle, frequency = dice.uniform(n, 0, 3.1416), dice.log_uniform(n, 5, 45)
    u, v = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    waves = (u * frequency).sin() * (v * frequency).sin()
    return _mix(dice, n, torch.sigmoid((waves - dice.uniform(n, -0.3, 0.5)) * dice.log_uniform(n, 2, 30)))


def cloudy(scene: Scene, dice: Dice, n: int) -> Colours:
    """Noise of several scales between two colours, some of it with hard borders: camouflage, marble, wool."""
    noise = _fractal(scene.size, dice, n, 1)[:, 0]
    return _mix(dice, n, torch.sigmoid((noise - 0.5) * dice.log_uniform(n, 4, 80)))


def coloured_noise(scene: Scene, dice: Dice, n: int) -> Colours:
    """Noise of several scales in each colour by itself."""
    return (_fractal(scene.size, dice, n, 3) * 2 - 1) * dice.uniform(n, 0.6, 1.8)[:, None] + 0.5 * dice.colour(n)


def strands(scene: Scene, dice: Dice, n: int) -> Colours:
    """Noise stretched along one axis: hair, fur, wood, brushed metal."""
    cells = max(2, scene.size // 2)
    noise = dice.map(n, 1, cells)[..., : max(2, cells // 12)]
    noise = F.interpolate(noise, (scene.size, scene.size), mode="bilinear", align_corners=False)
    noise = torch.where(dice.chance(n, 0.5)[:, None] > 0, noise, noise.transpose(2, 3))
    return _mix(dice, n, noise[:, 0])


def skin(scene: Scene, dice: Dice, n: int) -> Colours:
    """The colour of the middle of this very face, a little off, mottled: what colour alone does not give away."""
    size = scene.size
    middle = scene.crop[..., size // 2 : size * 5 // 8, size * 3 // 8 : size * 5 // 8].mean(dim=(2, 3), keepdim=True)
    mottled = (_fractal(size, dice, n, 1) - 0.5) * dice.uniform(n, 0, 0.5)[:, None]
    return middle * dice.uniform(n, 0.75, 1.15)[:, None] + 0.12 * dice.colour(n) + mottled


def own_piece(scene: Scene, dice: Dice, n: int) -> Colours:
    """A piece of the same picture from elsewhere, turned, mirrored and enlarged: right colours in the wrong place."""
    return _piece(scene.crop, dice, n)


def other_piece(scene: Scene, dice: Dice, n: int) -> Colours:
    """A piece of another picture, turned, mirrored, enlarged, and with another contrast."""
    return _piece(scene.donor, dice, n) * dice.uniform(n, 0.5, 1.2)[:, None] + 0.15 * dice.colour(n)


def recoloured_piece(scene: Scene, dice: Dice, n: int) -> Colours:
    """The lightness of another picture between two colours: printed cloth, posters, tinted glass."""
    lightness = (_piece(scene.donor, dice, n).mean(dim=1) + 1) / 2
    return _mix(dice, n, lightness.clamp(0, 1))


TEXTURES: tuple[Callable[[Scene, Dice, int], Tensor], ...] = (
    plain, gradient, stripes, checks, cloudy, coloured_noise, strands, skin, own_piece, other_piece, recoloured_piece,
    # The look of real things more often than each pattern.
    plain, skin, other_piece, other_piece,
)  # fmt: skip


def _mix(dice: Dice, n: int, share: Float[Tensor, "count size size"]) -> Colours:
    first, second = dice.colour(n), dice.colour(n)
    near = (dice.chance(n, 0.4) > 0)[:, None]
    second = torch.where(near, first + 0.35 * second, second)
    return first + (second - first) * share[:, None]


def _fractal(size: int, dice: Dice, n: int, channels: int) -> Float[Tensor, "count channels size size"]:
    """Noise in about [0, 1] from coarse to fine; each octave counts less than the one before, or not."""
    total = torch.zeros(n, channels, size, size, device=dice.device)
    weight, weights = torch.ones(n, 1, 1, 1, device=dice.device), torch.zeros(n, 1, 1, 1, device=dice.device)
    fall = dice.uniform(n, 0.35, 1.1)[:, None]
    for cells in (3, 9, 31):
        if cells < size:
            noise = dice.map(n, channels, cells)
            total = total + weight * F.interpolate(noise, (size, size), mode="bilinear", align_corners=False)
            weights = weights + weight.square()
            weight = weight * fall
    # Octaves are independent: their deviations add as squares.
    mean = total.mean(dim=(2, 3), keepdim=True)
    return 0.5 + (total - mean) / weights.sqrt()


def _piece(image: Float[Tensor, "count 3 size size"], dice: Dice, n: int) -> Colours:
    angle, mirror = dice.uniform(n, 0, 6.2832), dice.sign(n)
    zoom = dice.log_uniform(n, 0.25, 1.0)
    row_x = torch.cat([mirror * zoom * angle.cos(), -zoom * angle.sin(), dice.uniform(n, -0.8, 0.8)], dim=2)
    row_y = torch.cat([mirror * zoom * angle.sin(), zoom * angle.cos(), dice.uniform(n, -0.8, 0.8)], dim=2)
    where = F.affine_grid(torch.cat([row_x, row_y], dim=1), list(image.shape), align_corners=False)
    return F.grid_sample(image.contiguous(), where, mode="bilinear", padding_mode="reflection", align_corners=False)
