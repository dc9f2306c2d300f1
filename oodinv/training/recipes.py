"""What can be trained: for each kind a configuration with its defaults, and how it becomes a training.

A training of one shape for all: `build` makes a trainer of configuration, pictures and other networks; the loop runs
`steps` of it; `write` puts what was learned into a folder, where the next training finds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from oodinv.models.stylegan2 import GeneratorConfig
from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError
from oodinv.training.generator import GeneratorTrainer, GeneratorTraining
from oodinv.training.loop import Trainer
from oodinv.training.trained import save_trained


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a training needs beside its pictures."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folders: Mapping[str, Path] = field(default_factory=dict)
    """By name ("generator", "encoder", …), folders of trainings that have ended, or bundles."""

    def folder(self, name: str) -> Path:
        """The folder of an input.

        Raises:
            TrainingError: It was not given.
        """
        if name not in self.folders:
            raise TrainingError(
                f"this training needs a trained {name}: expected --input {name}=DIR, got "
                f"{', '.join(self.folders) or 'no inputs'}"
            )
        return self.folders[name]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A training that is ready to run."""

    trainer: Trainer
    steps: int
    write: Callable[[Path], None]
    """Writes what was learned into a folder; called when all steps are done."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one kind is trained."""

    config: type
    """A frozen dataclass whose defaults are the recipe. `resolution(config)` pixels are read of the pictures."""
    build: Callable[[Any, Dataset, Inputs], Prepared]
    size: Callable[[Any], int | None]
    """Side of the crops that a configuration wants; None = as the pictures are."""


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """A generator's network and training."""

    network: GeneratorConfig = GeneratorConfig(  # noqa: RUF009 (frozen)
        resolution=128,
        channel_base=4096,
        channel_max=192,
        style_dim=256,
        z_dim=256,
        num_mapping_layers=4,
        mapping_rate_multiplier=0.3,
        normalise_z=False,
    )
    training: GeneratorTraining = GeneratorTraining()  # noqa: RUF009 (frozen)


def build_generator(config: GeneratorRecipe, data: Dataset, inputs: Inputs) -> Prepared:
    """A generator's training."""
    trainer = GeneratorTrainer(data, config.network, config.training, device=inputs.device)

    def write(folder: Path) -> None:
        network = trainer.network()
        save_trained(folder, kind="generator", config=network.config, network=network)

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


RECIPES: dict[str, Recipe] = {
    "generator": Recipe(config=GeneratorRecipe, build=build_generator, size=lambda config: config.network.resolution),
}


def recipe(kind: str) -> Recipe:
    """The recipe of a kind.

    Raises:
        TrainingError: There is none.
    """
    if kind not in RECIPES:
        raise TrainingError(f"nothing called {kind!r} can be trained: expected one of {', '.join(RECIPES)}")
    return RECIPES[kind]
