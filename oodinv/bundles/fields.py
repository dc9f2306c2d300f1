"""Networks' shapes as `bundle.json` says them."""

from dataclasses import asdict
from typing import Any

from oodinv.models.decomposition import DecompositionConfig
from oodinv.models.e4e import EncoderConfig
from oodinv.models.encoders import AnyEncoderConfig
from oodinv.models.restyle import RestyleConfig
from oodinv.models.stylegan2 import GeneratorConfig


def generator_fields(config: GeneratorConfig) -> dict[str, Any]:
    """Everything but the resolution, which stands above the parts."""
    return _without(asdict(config), "resolution")


def encoder_fields(config: AnyEncoderConfig) -> dict[str, Any]:
    """Everything but what follows from the generator."""
    kind = "featurestyle"
    if isinstance(config, EncoderConfig):
        kind = "e4e"
    elif isinstance(config, RestyleConfig):
        kind = "restyle"
    return {"kind": kind} | _without(asdict(config), "num_layers", "style_dim")


def decomposition_fields(config: DecompositionConfig) -> dict[str, Any]:
    """Everything but the channels, which follow from generator and encoder."""
    return _without(asdict(config), "generator_channels", "encoder_channels")


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
