"""What can be trained: for each kind a configuration with its defaults, and how it becomes a training.

A training of one shape for all: `build` makes a trainer of configuration, pictures and other networks; the loop runs
`steps` of it; `write` puts what was learned into a folder, where the next training finds it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodinv.models.stylegan2 import GeneratorConfig
from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError
from oodinv.training.generator import GeneratorTrainer, GeneratorTraining
from oodinv.training.inverter_recipes import (
    DECOMPOSITION_INPUTS,
    DIRECTIONS_INPUTS,
    ENCODER_INPUTS,
    DecompositionRecipe,
    DirectionsRecipe,
    EncoderRecipe,
    RegressorRecipe,
    build_decomposition,
    build_directions,
    build_encoder,
    build_regressor,
)
from oodinv.training.latents import PortraitLatents
from oodinv.training.preparing import Inputs, Prepared, Recipe
from oodinv.training.regressor import find_regressor
from oodinv.training.trained import save_trained
from oodinv.training.trained_parts import find_generator, find_resolution, save_latents

__all__ = ["RECIPES", "GeneratorRecipe", "Inputs", "Prepared", "Recipe", "build_generator", "recipe"]


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
    """A generator's training. Inputs: another `generator` to begin from, a `regressor` to compare pictures with."""
    folder = inputs.folders.get("generator")
    trainer = GeneratorTrainer(
        data,
        config.network,
        config.training,
        begin=None if folder is None else find_generator(folder),
        regressor=find_regressor(inputs),
        device=inputs.device,
    )

    def write(folder: Path) -> None:
        network = trainer.network()
        if isinstance(trainer.latents, PortraitLatents):
            save_latents(folder, trainer.latents.standardise)
        save_trained(folder, kind="generator", config=network.config, network=network)

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


def _drawn(config: Any, inputs: Inputs) -> int:
    """Side of what the generator draws: larger pictures are averaged down once, when they are first read."""
    return find_resolution(inputs.folder("generator"))


RECIPES: dict[str, Recipe] = {
    "generator": Recipe(
        config=GeneratorRecipe,
        build=build_generator,
        size=lambda config, inputs: config.network.resolution,
        inputs=("generator", "regressor"),
    ),
    "encoder": Recipe(config=EncoderRecipe, build=build_encoder, size=_drawn, inputs=ENCODER_INPUTS),
    "decomposition": Recipe(
        config=DecompositionRecipe, build=build_decomposition, size=_drawn, inputs=DECOMPOSITION_INPUTS
    ),
    "directions": Recipe(
        config=DirectionsRecipe, build=build_directions, size=lambda config, inputs: None, inputs=DIRECTIONS_INPUTS
    ),
    "regressor": Recipe(config=RegressorRecipe, build=build_regressor, size=lambda config, inputs: config.resolution),
}


def recipe(kind: str) -> Recipe:
    """The recipe of a kind.

    Raises:
        TrainingError: There is none.
    """
    if kind not in RECIPES:
        raise TrainingError(f"nothing called {kind!r} can be trained: expected one of {', '.join(RECIPES)}")
    return RECIPES[kind]
