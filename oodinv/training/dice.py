"""Random numbers for a batch at once, drawn on the processor: the same on every device for the same seed."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Dice:
    """Draws of one value per image, shaped to multiply maps [batch, height, width]."""

    def __init__(self, rng: torch.Generator, device: torch.device):
        self.rng, self.device = rng, device

    def uniform(self, count: int, low: float | int, high: float | int) -> Float[Tensor, "{count} 1 1"]:
        """Uniform in [low, high)."""
        return (low + (high - low) * self._rand(count, 1, 1)).to(self.device)

    def log_uniform(self, count: int, low: float | int, high: float | int) -> Float[Tensor, "{count} 1 1"]:
        """Uniform in the logarithm: small values as often as large ones."""
        return self.uniform(count, math.log(low), math.log(high)).exp()

    def chance(self, count: int, probability: float) -> Float[Tensor, "{count} 1 1"]:
        """1 with the probability, else 0."""
        return (self._rand(count, 1, 1) < probability).float().to(self.device)

    def sign(self, count: int) -> Float[Tensor, "{count} 1 1"]:
        """-1 or 1."""
        return 2 * self.chance(count, 0.5) - 1

    def colour(self, count: int) -> Float[Tensor, "{count} 3 1 1"]:
        """Uniform in the cube [-1, 1]."""
        return (2 * self._rand(count, 3, 1, 1) - 1).to(self.device)

    def map(self, count: int, channels: int, cells: int) -> Float[Tensor, "{count} {channels} {cells} {cells}"]:
        """White noise in [0, 1)."""
        return self._rand(count, channels, cells, cells).to(self.device)

    def choice(self, count: int, of: int) -> Int[Tensor, "{count}"]:  # noqa: F821 (an axis)
        """Whole numbers from 0 to `of` - 1, on the processor."""
        return torch.randint(of, (count,), generator=self.rng)

    def share(self, count: int) -> Float[Tensor, "{count}"]:  # noqa: F821 (an axis)
        """Uniform in [0, 1), on the processor."""
        return self._rand(count)

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.rng)
