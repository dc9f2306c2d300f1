"""Recipes of trainings that take no time."""

from dataclasses import replace

from tiny_bundle import ENCODER

from oodinv.training.decomposition import DecompositionTraining
from oodinv.training.direction_finding import DirectionSearch
from oodinv.training.encoder import EncoderTraining
from oodinv.training.inverter_recipes import DecompositionRecipe, DirectionsRecipe, EncoderRecipe, RegressorRecipe
from oodinv.training.regressor import RegressorTraining

CONFIGS = {
    "encoder": EncoderRecipe(network=replace(ENCODER, num_layers=1), training=EncoderTraining(images=4, batch=4)),
    "decomposition": DecompositionRecipe(
        levels=(8, 16), width=8, features=True, training=DecompositionTraining(images=4, batch=4)
    ),
    "regressor": RegressorRecipe(resolution=16, widths=(4, 4), training=RegressorTraining(images=16, batch=8)),
    "directions": DirectionsRecipe(search=DirectionSearch(names=("smile",), rounds=0, faces=4, components=2)),
}
"""By kind, in the order in which each finds what it needs."""
