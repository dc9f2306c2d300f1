"""What every encoder gives: styles and feature maps of a crop."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.stylegan2 import GeneratorConfig

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

    @property
    def content_channels(self) -> dict[int, int]:
        """Channels of `Encoding.content` by resolution; empty for most encoders."""


class CropEncoder(nn.Module, ABC):
    """An encoder: crops in [-1, 1] of any size to an `Encoding`."""

    config: EncoderShape

    @abstractmethod
    def forward(self, crop: Float[Tensor, "batch 3 size size"], draw: Draw | None = None) -> Encoding:
        """Encode crops; `draw` is for encoders that look at what their styles give and correct them."""


def check_fit(encoder: EncoderShape, generator: GeneratorConfig) -> None:
    """Refuse an encoder whose styles or content the generator cannot take.

    Raises:
        ValueError: With what the encoder gives and what the generator takes.
    """
    if encoder.num_layers != generator.num_layers:
        raise ValueError(
            f"the encoder gives {encoder.num_layers} styles, the generator takes {generator.num_layers}: they are not "
            "of one model"
        )
    if encoder.style_dim != generator.style_dim:
        raise ValueError(
            f"the encoder's styles have {encoder.style_dim} numbers, the generator's {generator.style_dim}: they are "
            "not of one model"
        )
    for resolution, channels in encoder.content_channels.items():
        # What replaces the last map would reach no picture.
        if resolution not in generator.resolutions[:-1]:
            raise ValueError(
                f"the encoder gives content at {resolution} x {resolution}, the generator takes it at one of "
                f"{generator.resolutions[:-1]}: they are not of one model"
            )
        if channels != generator.channels(resolution):
            raise ValueError(
                f"the encoder's content at {resolution} x {resolution} has {channels} channels, the generator's map "
                f"it replaces has {generator.channels(resolution)}: they are not of one model"
            )
