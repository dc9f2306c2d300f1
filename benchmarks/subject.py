"""What is measured: a bundle's model, or the full-size configuration with random weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from oodinv.bundles.bundle import load_bundle, save_bundle
from oodinv.bundles.spec import decomposition_config
from oodinv.models.decomposition import Choices, Decomposition
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import Generator, GeneratorConfig

FULL = "full"
"""In place of a bundle's name: the published architecture."""
_LEVELS = (32, 64, 128, 256)
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model and how it is called in results."""

    name: str
    model: InversionModel = field(repr=False)

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return self.model.generator.config.resolution

    def described(self) -> dict[str, Any]:
        """For the record of a result."""
        decomposition = self.model.decomposition
        levels = () if decomposition is None else decomposition.config.levels
        choices = None if decomposition is None else asdict(decomposition.config.choices)
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return {"bundle": self.name, "size": self.size, "levels": levels, "choices": choices, "parameters": count}

    @contextmanager
    def as_bundle(self) -> Iterator[str]:
        """A name under which the engine finds the model: the bundle's own, or of a temporary folder."""
        if self.name != FULL:
            yield self.name
            return
        with TemporaryDirectory(prefix="oodinv-benchmark-") as folder:
            style_dim = self.model.generator.config.style_dim
            directions = {"smile": torch.randn(style_dim, generator=torch.Generator().manual_seed(_SEED))}
            save_bundle(
                Path(folder), fields=_fields(self.model), model=self.model, directions=directions, card="# Full\n"
            )
            yield folder


def load_subject(name: str, size: int) -> Subject:
    """The model on the CPU, in evaluation mode.

    Args:
        name: `full`, or what `oodinv.bundles` finds: a name, a folder, a place in a bucket.
        size: Side of the crops in pixels, for `full`.

    Raises:
        BundleError: There is no such bundle.
    """
    if name != FULL:
        return Subject(name=name, model=load_bundle(name).model)
    torch.manual_seed(_SEED)
    return Subject(name=name, model=full_model(size))


def full_model(size: int) -> InversionModel:
    """e4e, config F and the released decomposition's shape and choices, with random weights.

    Args:
        size: A power of two from 64. Levels above it are left out; 1024 is the published size.
    """
    generator = GeneratorConfig(resolution=size)
    encoder = EncoderConfig(num_layers=generator.num_layers)
    levels = tuple(level for level in _LEVELS if level <= size)
    shape = decomposition_config(generator, encoder, levels=levels, num_iterations=2, choices=Choices.paper())
    model = InversionModel(Encoder(encoder), Generator(generator), Decomposition(shape))
    return model.eval().requires_grad_(False)


def _fields(model: InversionModel) -> dict[str, Any]:
    """`bundle.json` of a full-size model, without file names and hashes."""
    generator, encoder, decomposition = model.generator.config, model.encoder.config, model.decomposition
    assert isinstance(encoder, EncoderConfig) and decomposition is not None
    of_others = ("num_layers", "style_dim", "resolution", "generator_channels", "encoder_channels")

    def own(config: Any) -> dict[str, Any]:
        return {name: value for name, value in asdict(config).items() if name not in of_others}

    edit = {"space": "w", "layers": [0, generator.num_layers], "unit": "a random step", "safe_range": [-2, 2]}
    return {
        "format": 1,
        "name": FULL,
        "version": "1",
        "setting": "paper",
        "resolution": generator.resolution,
        "generator": own(generator) | {"style_dim": generator.style_dim},
        "encoder": {"kind": "e4e"} | own(encoder),
        "decomposition": own(decomposition.config),
        "directions": {"edits": {"smile": edit}},
        "licence": "Apache-2.0",
        "provenance": "random numbers",
    }
