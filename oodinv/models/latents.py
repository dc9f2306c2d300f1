"""How parameters of rendered portraits become a generator's latents."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

NOISE = 0.03
"""Of files that do not say it."""


@dataclass(frozen=True, kw_only=True)
class Latents:
    """Standardises parameter vectors, as they were standardised in a generator's training."""

    mean: Float[Tensor, " z_dim"] = field(repr=False)
    std: Float[Tensor, " z_dim"] = field(repr=False)
    noise: float = NOISE
    """Deviation of the noise on a portrait's latent in training, so that what lies between portraits is drawn too."""

    @classmethod
    def over(cls, params: Float[np.ndarray, "count z_dim"], *, noise: float = NOISE) -> "Latents":
        """With means and deviations of some portraits."""
        mean, std = torch.from_numpy(params.mean(axis=0)), torch.from_numpy(params.std(axis=0)).clamp_min(1e-4)
        return cls(mean=mean, std=std, noise=noise)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "Latents":
        """From what a file holds.

        Raises:
            ValueError: It holds something else.
        """
        mean, std, noise = (tensors.get(name) for name in ("mean", "std", "noise"))
        if mean is None or std is None or mean.ndim != 1 or mean.shape != std.shape or not (std > 0).all():
            found = {name: list(tensor.shape) for name, tensor in tensors.items()}
            raise ValueError(f"expected means and positive deviations of as many parameters, got {found}")
        return cls(mean=mean, std=std, noise=NOISE if noise is None else float(noise))

    def to_bytes(self) -> bytes:
        """A safetensors file that `of_tensors` understands; in full precision, since some parameters are large."""
        tensors = {"mean": self.mean.clone().contiguous(), "std": self.std.clone().contiguous()}
        return safetensors.torch.save(tensors | {"noise": torch.tensor(self.noise)})

    def __call__(self, params: Float[np.ndarray, "batch z_dim"]) -> Float[Tensor, "batch z_dim"]:
        """Parameters to latents of zero mean and unit variance, clipped at four deviations."""
        return ((torch.from_numpy(params) - self.mean) / self.std).clamp(-4, 4)
