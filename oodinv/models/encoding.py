"""What every encoder gives: styles and feature maps of a crop."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

Draw = Callable[[Tensor], Tensor]
"""Offsets from `latent_avg` [batch, layers, style_dim] to the plain generator's images."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What an encoder says about a crop."""

    delta_w: Float[Tensor, "batch layers style_dim"]
    """Offsets from `latent_avg`."""

    feature_maps: dict[int, Tensor] = field(repr=False)
    """Backbone activations by their resolution: input_resolution, and after each of the first three stages."""

    content: dict[int, Tensor] = field(default_factory=dict, repr=False)
    """By resolution, what takes the place of the generator's own feature map, see `Generator.synthesise`."""


@runtime_checkable
class EncoderShape(Protocol):
    """What a model must know of an encoder's config."""

    @property
    def num_layers(self) -> int:
        """Rows of `w_plus`."""

    @property
    def style_dim(self) -> int:
        """Length of each row."""

    @property
    def map_channels(self) -> dict[int, int]:
        """Channels of `Encoding.feature_maps` by resolution."""


class CropEncoder(nn.Module, ABC):
    """An encoder: crops in [-1, 1] of any size to an `Encoding`."""

    config: EncoderShape

    @abstractmethod
    def forward(self, crop: Float[Tensor, "batch 3 size size"], draw: Draw | None = None) -> Encoding:
        """Encode crops; `draw` is for encoders that look at what their styles give and correct them."""
