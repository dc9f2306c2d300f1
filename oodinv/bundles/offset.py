"""What edits add to a face's latents."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Offset:
    """The sum of all edits, on the inverter's device."""

    w_plus: Float[Tensor, "1 layers style_dim"]
    """Added to `w_plus`."""

    style: Float[Tensor, "1 style_channels"] | None
    """Added to the flat StyleSpace vector, see `Generator.style_slices`; None when no edit is of StyleSpace."""
