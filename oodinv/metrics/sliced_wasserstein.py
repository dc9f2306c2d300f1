"""Sliced Wasserstein distance between sets of pictures (Karras et al. 2018, arXiv 1710.10196, section 5).

From every picture 128 patches of 7x7 pixels are drawn at each level of its Laplacian pyramid. Patches of a level are
normalised by mean and deviation of each colour, projected on random directions, and sorted: the mean difference of the
sorted values is the distance. Reported times 1,000. Fine levels judge detail, the coarsest judges composition.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.metrics.laplacian import laplacian_pyramid

PATCH, PATCHES_PER_IMAGE, COARSEST = 7, 128, 16
_SCALE = 1000.0


@dataclass(kw_only=True)
class Descriptors:
    """Patches of a set of pictures by level, gathered batch by batch. The order of pictures matters, batches do not."""

    seed: int = 0
    """Of the patches' places."""

    count: int = 0
    """Pictures so far."""

    levels: dict[int, list[Tensor]] = field(default_factory=dict, repr=False)
    """Side of the level to patches `[patches, 3 * 49]`."""

    def add(self, images: Float[Tensor, "batch 3 size size"]) -> None:
        """Draw patches of more pictures, in [-1, 1]."""
        for level in laplacian_pyramid(images, coarsest=COARSEST):
            side = level.shape[-1]
            # One stream of places for each picture, so that batches do not matter.
            drawn = [_patches(picture, self.seed + self.count + index) for index, picture in enumerate(level)]
            self.levels.setdefault(side, []).extend(drawn)
        self.count += len(images)


def sliced_wasserstein(
    a: Descriptors, b: Descriptors, *, repeats: int = 4, directions: int = 128, seed: int = 0
) -> dict[int, float]:
    """Distance by level's side, times 1,000; 0 for the same set.

    Args:
        a: One set.
        b: Another of as many pictures of the same size.
        repeats: Sets of directions.
        directions: For each of them.
        seed: Of the directions.

    Raises:
        ValueError: The sets differ in number or size.
    """
    if a.count != b.count or set(a.levels) != set(b.levels) or not a.count:
        raise ValueError(
            f"sets of as many pictures of one size are compared, got {a.count} with levels {sorted(a.levels)} and "
            f"{b.count} with levels {sorted(b.levels)}"
        )
    rng = torch.Generator().manual_seed(seed)
    found = {}
    for side in sorted(a.levels, reverse=True):
        ours, theirs = (_normalised(torch.stack(part.levels[side])) for part in (a, b))
        distances = []
        for _ in range(repeats):
            axes = torch.randn(ours.shape[1], directions, generator=rng)
            axes = axes / axes.norm(dim=0)
            apart = [(ours @ axis).sort().values - (theirs @ axis).sort().values for axis in axes.T]
            distances.append(torch.stack([part.abs().mean() for part in apart]).mean())
        found[side] = float(torch.stack(distances).mean()) * _SCALE
    return found


def _patches(picture: Tensor, seed: int) -> Tensor:
    """`[patches, 3, 7, 7]` at random places of one picture."""
    rng = torch.Generator().manual_seed(seed)
    windows = picture.cpu().unfold(1, PATCH, 1).unfold(2, PATCH, 1)  # [3, y, x, 7, 7]
    y = torch.randint(windows.shape[1], (PATCHES_PER_IMAGE,), generator=rng)
    x = torch.randint(windows.shape[2], (PATCHES_PER_IMAGE,), generator=rng)
    return windows[:, y, x].transpose(0, 1).contiguous()


def _normalised(patches: Tensor) -> Tensor:
    """Every colour to mean 0 and deviation 1 over all patches; flat."""
    patches = patches.flatten(0, 1)
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    deviation = (patches - mean).square().mean(dim=(0, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    return ((patches - mean) / deviation).flatten(1)
