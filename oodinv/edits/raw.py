"""An edit by any direction tensor, for which no bundle has a name."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from oodinv.edits.edit import EditError
from oodinv.edits.shape import GeneratorShape, Space, tell_space


@dataclass(frozen=True, kw_only=True)
class RawEdit:
    """Add `strength` times a direction; made by `Edit.raw`."""

    direction: Tensor = field(repr=False)
    """Of any shape that `read_direction` reads."""

    strength: float
    """In units of the direction's own length."""

    layers: tuple[int, int] | None = None
    """Rows of `w_plus` it moves: from, to (exclusive); None = all. Without effect in StyleSpace."""

    def __post_init__(self):
        """Refuse what no picture can come of."""
        if not math.isfinite(self.strength):
            raise EditError(f"an edit's strength is a finite number, got {self.strength}")
        if not self.direction.is_floating_point():
            raise EditError(f"a direction holds floating point numbers, got {self.direction.dtype}")
        if not torch.isfinite(self.direction).all():
            raise EditError("a direction holds finite numbers, got NaN or infinite ones")

    def fitted(self, shape: GeneratorShape) -> tuple[Space, tuple[int, int], Tensor]:
        """Space, rows and the direction in the shape it has in that space.

        Raises:
            EditError: It does not fit the generator.
        """
        space, own_shape = tell_space(tuple(self.direction.shape), shape, "a direction for this bundle")
        first, last = self.layers or (0, shape.num_layers)
        if not 0 <= first < last <= shape.num_layers:
            raise EditError(
                f"an edit moves layers from A to B with 0 <= A < B <= {shape.num_layers}, got {first} to {last}"
            )
        return space, (first, last), self.direction.detach().reshape(own_shape)
