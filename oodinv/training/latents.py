"""Where a generator's latents come from: portraits' own parameters, or a normal distribution."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from oodinv.models.latents import Latents
from oodinv.training.data import Dataset, DatasetError

_MOST = 10_000
"""Latents that a mean style is taken over."""


def known_params(data: Dataset) -> Float32[np.ndarray, "count parameters"]:
    """The parameters that portraits were rendered from.

    Raises:
        DatasetError: They are photos.
    """
    if data.params is None:
        raise DatasetError(
            "paired losses need portraits whose parameters are known: name folders written by `oodinv portraits "
            "render`, or set paired to false"
        )
    return data.params


@runtime_checkable
class LatentSource(Protocol):
    """Draws latents."""

    z_dim: int

    def of(self, index: np.ndarray, rng: torch.Generator) -> Float[Tensor, "batch z_dim"]:
        """Latents for the samples of a batch."""

    def many(self) -> Float[Tensor, "count z_dim"]:
        """Enough for a mean style, always the same."""


class PortraitLatents:
    """A portrait's own standardised parameters and a little noise, so that the space between portraits is drawn too."""

    def __init__(self, params: Float[np.ndarray, "count z_dim"], standardise: Latents):
        self.params, self.standardise, self.z_dim = params, standardise, params.shape[1]

    def of(self, index: np.ndarray, rng: torch.Generator) -> Float[Tensor, "batch z_dim"]:
        """The samples' latents."""
        z = self.standardise(self.params[index])
        return z + self.standardise.noise * torch.randn(z.shape, generator=rng)

    def many(self) -> Float[Tensor, "count z_dim"]:
        """Those of the first portraits, without noise."""
        return self.standardise(self.params[:_MOST])


class NormalLatents:
    """z ~ N(0, 1), for pictures of which nothing is known."""

    def __init__(self, z_dim: int):
        self.z_dim = z_dim

    def of(self, index: np.ndarray, rng: torch.Generator) -> Float[Tensor, "batch z_dim"]:
        """New latents, as many as there are samples."""
        return torch.randn(len(index), self.z_dim, generator=rng)

    def many(self) -> Float[Tensor, "count z_dim"]:
        """Drawn from a seed of its own."""
        return torch.randn(_MOST, self.z_dim, generator=torch.Generator().manual_seed(0))
