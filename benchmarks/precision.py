"""How a model is made to compute in a precision: the one place to change when the model itself offers another way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from oodinv.models.encoding import Encoding
from oodinv.models.inversion import Inversion, InversionModel
from oodinv.models.precision import computing

R = TypeVar("R")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Precise:
    """A model's calls on a device in a precision. Weights stay float32; half precision is autocast's."""

    model: InversionModel = field(repr=False)
    device: torch.device
    dtype: torch.dtype

    def invert(self, crop: Tensor) -> Inversion:
        """The whole of an inversion, from crops [batch, 3, size, size]; the reconstruction is computed too."""
        return self._compute(lambda: _looked_at(self.model.invert(crop)))

    def edit(self, inversion: Inversion, offset: Tensor) -> Inversion:
        """The whole of an edit, `offset` [1, layers, style_dim]."""
        return self._compute(lambda: _looked_at(self.model.edit(inversion, offset)))

    def encode(self, crop: Tensor) -> Encoding:
        """The encoder alone, with what it asks the generator for."""
        return self._compute(lambda: self.model.encoder(crop, self._draw))

    def synthesise(self, w_plus: Tensor) -> Tensor:
        """The generator alone, without alignment."""
        return self._compute(lambda: self.model.generator.synthesise(w_plus))

    def _draw(self, delta_w: Tensor) -> Tensor:
        return self.model.generator.synthesise(self.model.generator.latent_avg + delta_w)

    def _compute(self, call: Callable[[], R]) -> R:
        with computing(self.device, "float32" if self.dtype is torch.float32 else "bfloat16"):
            return call()


def _looked_at(inversion: Inversion) -> Inversion:
    _ = inversion.reconstruction
    return inversion
