"""Synthetic occlusions with known alpha, pasted over any face: shapes and textures of many kinds.

A detector supervised on few accessories learns those accessories. Shapes and surfaces drawn independently of each
other, with hard and soft borders, shading as of solid things, transparency, skin colour and pieces of photographs make
it learn what "not drawn by the generator" looks like.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from oodinv.training.dice import Dice
from oodinv.training.occlusion_shapes import SHAPES, grid
from oodinv.training.occlusion_textures import TEXTURES, Scene

LAYERS = (1, 1, 2, 2, 3)
"""How many shapes a covered crop gets, each as likely as its place here."""
TRANSLUCENT_SHARE = 0.12


def paste_occlusions(
    crop: Float[Tensor, "batch 3 size size"],
    *,
    share: float,
    rng: torch.Generator,
    photographs: Num[Tensor, "photographs 3 size size"] | None = None,
) -> tuple[Float[Tensor, "batch 3 size size"], Float[Tensor, "batch 1 size size"]]:
    """Cover a random share of the crops.

    All random numbers come from `rng`, a generator of the processor: the same state covers the same crops alike on
    every device, up to rounding.

    Args:
        crop: Images in [-1, 1].
        share: Probability that a crop is covered; a covered crop gets one to three shapes.
        rng: Source of randomness.
        photographs: Pictures of anything that pieces are taken from, besides the other crops of the batch: bytes, or
            numbers in [-1, 1]. None = from these only.

    Returns:
        The covered crops, channels last, and the exact alpha of what was pasted.
    """
    batch, _, size, _ = crop.shape
    dice = Dice(rng, crop.device)
    layers = torch.tensor(LAYERS)[dice.choice(batch, len(LAYERS))] * (dice.share(batch) < share)
    image, total = crop, crop.new_zeros(batch, 1, size, size)
    for depth in range(max(LAYERS)):
        # One layer of all crops that have one: each kind of shape and texture is drawn for its crops at once.
        index = torch.nonzero(layers > depth)[:, 0]
        if not len(index):
            continue
        on_device = index.to(crop.device)
        below = image[on_device]
        alpha, shade = _outlines(size, dice, len(index))
        colours = _surfaces(Scene(crop=below, donor=_donors(crop, index, dice, photographs)), dice, len(index))
        colours = (colours * shade).clamp(-1, 1)
        image = image.index_copy(0, on_device, below + alpha * (colours - below))
        total = total.index_copy(0, on_device, 1 - (1 - total[on_device]) * (1 - alpha))
    return image.contiguous(memory_format=torch.channels_last), total


def _outlines(size: int, dice: Dice, n: int) -> tuple[Float[Tensor, "n 1 size size"], Float[Tensor, "n 1 size size"]]:
    """Alpha and shading of one layer."""
    x, y = grid(size, dice.device)
    distance = _by_kind(SHAPES, n, dice, lambda shape, count: shape(x, y, dice, count))
    # Half a pixel to a few: drawn sharp, out of focus, or frayed.
    softness = dice.log_uniform(n, 0.5, 2.0) + dice.chance(n, 0.2) * dice.uniform(n, 0, 0.04 * size)
    alpha = (0.5 - distance * size / 2 / softness / 2).clamp(0, 1)
    alpha = alpha * torch.where(
        dice.chance(n, TRANSLUCENT_SHARE) > 0, dice.uniform(n, 0.3, 0.9), torch.ones_like(softness)
    )
    return alpha[:, None], _solid(distance, dice, n)[:, None]


def _solid(distance: Float[Tensor, "n size size"], dice: Dice, n: int) -> Float[Tensor, "n size size"]:
    """Brightness of a body that swells over its outline, lit from one side; 1 everywhere for half of them."""
    shade = torch.ones_like(distance)
    swollen = torch.nonzero(dice.share(n) < 0.5)[:, 0].to(distance.device)
    count, distance = len(swollen), distance[swollen]
    depth, angle, strength = (
        dice.log_uniform(count, 0.04, 0.4),
        dice.uniform(count, 0, 6.2832),
        dice.uniform(count, 0.1, 0.6),
    )
    height = depth * (1 - (1 + distance / depth).clamp(0, 1).square()).clamp_min(1e-4).sqrt()
    across, down = torch.gradient(height, spacing=2 / distance.shape[-1], dim=(2, 1))
    lit = (across * angle.cos() + down * angle.sin()) / (1 + across.square() + down.square()).sqrt()
    shade[swollen] = 1 + strength * lit
    return shade


def _surfaces(scene: Scene, dice: Dice, n: int) -> Float[Tensor, "n 3 size size"]:
    kinds = dice.choice(n, len(TEXTURES))
    out = torch.empty_like(scene.crop)
    for kind, index in _groups(kinds):
        where = index.to(scene.crop.device)
        part = Scene(crop=scene.crop[where], donor=scene.donor[where])
        out[where] = TEXTURES[kind](part, dice, len(index))
    return out


def _donors(
    crop: Float[Tensor, "batch 3 size size"], index: Int[Tensor, " n"], dice: Dice, photographs: Tensor | None
) -> Float[Tensor, "n 3 size size"]:
    """Another crop of the batch for each, or one of the photographs for half of them."""
    batch = len(crop)
    if batch == 1 and photographs is not None:  # a crop alone has nothing but itself to give
        return photographs[dice.choice(len(index), len(photographs)).to(photographs.device)].to(crop.device)
    others = (index + 1 + dice.choice(len(index), max(batch - 1, 1))) % batch
    donors = crop[others.to(crop.device)]
    if batch == 1:  # upside down: in place, a piece of itself could not be seen
        donors = donors.flip(2)
    if photographs is None:
        return donors
    chosen = photographs[dice.choice(len(index), len(photographs)).to(photographs.device)].to(crop.device)
    if not chosen.is_floating_point():
        chosen = chosen.to(crop.dtype) / 127.5 - 1
    return torch.where(dice.chance(len(index), 0.5)[:, None] > 0, chosen, donors)


def _by_kind(
    makers: Sequence[Callable[..., Tensor]], n: int, dice: Dice, make: Callable[[Callable[..., Tensor], int], Tensor]
) -> Tensor:
    parts, order = [], []
    for kind, index in _groups(dice.choice(n, len(makers))):
        parts.append(make(makers[kind], len(index)))
        order.append(index)
    joined = torch.cat(parts)
    return joined[torch.argsort(torch.cat(order)).to(joined.device)]


def _groups(kinds: Int[Tensor, " n"]) -> list[tuple[int, Int[Tensor, " _"]]]:
    """Which images have each kind that occurs, in order."""
    return [(int(kind), torch.nonzero(kinds == kind)[:, 0]) for kind in kinds.unique(sorted=True)]
