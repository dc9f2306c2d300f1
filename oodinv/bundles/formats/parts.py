"""What a published file may hold, in our names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from oodinv.models.encoders import AnyEncoderConfig
from oodinv.models.identity import IdentityConfig
from oodinv.models.stylegan2 import GeneratorConfig

Setting = Literal["paper", "improved"]
Role = Literal["generator", "encoder", "decomposition", "identity"]
ROLES: tuple[Role, ...] = ("generator", "encoder", "decomposition", "identity")


@dataclass(frozen=True, kw_only=True)
class GeneratorPart:
    """A generator without its mean style."""

    config: GeneratorConfig
    weights: Mapping[str, Tensor] = field(repr=False)
    notes: tuple[str, ...] = ()
    """What somebody who uses the bundle should know, for its card."""


@dataclass(frozen=True, kw_only=True)
class EncoderPart:
    """An encoder."""

    config: AnyEncoderConfig
    weights: Mapping[str, Tensor] = field(repr=False)
    absolute: bool = False
    """Its heads give `w_plus` itself, not the offset from `latent_avg`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DecompositionPart:
    """A released decomposition, still under its published names.

    They count from the finest level, and which resolution that is only the encoder knows.
    """

    generator_channels: tuple[int, ...]
    """Fine to coarse."""
    encoder_channels: tuple[int, ...]
    conv_bias: bool
    tensors: Mapping[str, Tensor] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class IdentityPart:
    """A network that tells faces apart."""

    config: IdentityConfig
    weights: Mapping[str, Tensor] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that one file holds."""

    generator: GeneratorPart | None = None
    encoder: EncoderPart | None = None
    decomposition: DecompositionPart | None = None
    identity: IdentityPart | None = None
    latent_avg: Float[Tensor, " style_dim"] | None = None

    def roles(self) -> list[Role]:
        """What there is."""
        return [role for role in ROLES if getattr(self, role) is not None]
