"""Recipes of what is trained against a frozen generator, encoder, decomposition, directions, and of the regressor.

Inputs by name: `generator` and `encoder` are folders of trainings that have ended, or bundles; `vgg` is torchvision's
VGG19 as a safetensors file, `identity` a bundle with an identity network, `regressor` a folder of its training, and
`photographs` a folder of pictures of anything that occlusions are cut from. The last four may be left out, and so may
the network that is trained itself: an `encoder` for an encoder, a `decomposition` for a decomposition to begin from.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from oodinv.models.decomposition import Choices, Decomposition
from oodinv.models.e4e import EncoderConfig
from oodinv.models.inversion import InversionModel
from oodinv.training.data import Dataset
from oodinv.training.decomposition import DecompositionTrainer, DecompositionTraining
from oodinv.training.direction_finding import DirectionSearch, DirectionTrainer
from oodinv.training.encoder import EncoderTrainer, EncoderTraining
from oodinv.training.errors import TrainingError
from oodinv.training.likeness import Embed
from oodinv.training.loss_networks import ImageWeights, LossNetworks
from oodinv.training.photographs import read_photographs
from oodinv.training.preparing import Inputs, Prepared
from oodinv.training.presets import PresetName, preset
from oodinv.training.regressor import (
    RegressorConfig,
    RegressorTrainer,
    RegressorTraining,
    find_regressor,
    regressor_sha256,
    varying_labels,
)
from oodinv.training.structure import FeatureNetwork, encoder_features
from oodinv.training.trained import save_trained
from oodinv.training.trained_parts import (
    decomposition_shape,
    find_decomposition,
    find_encoder,
    find_generator,
    find_identity,
    find_latents,
    with_size,
)

ENCODER_INPUTS = ("generator", "encoder", "vgg", "identity", "regressor", "photographs")
DECOMPOSITION_INPUTS = ("generator", "encoder", "decomposition", "vgg", "identity", "regressor", "photographs")
DIRECTIONS_INPUTS = ("generator", "encoder", "regressor")


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """An encoder's network and training."""

    network: EncoderConfig = EncoderConfig(  # noqa: RUF009 (frozen)
        num_layers=12,
        style_dim=256,
        input_resolution=64,
        stem_width=32,
        widths=(32, 64, 128, 192),
        units=(2, 2, 3, 2),
        head_width=96,
    )
    """Numbers of layers and of a style's length are taken from the generator."""
    preset: PresetName = "improved"
    """Where the training's numbers come from that are not set; see `presets`."""
    training: EncoderTraining = None  # type: ignore[assignment]
    """None = the preset's."""

    def __post_init__(self):
        """Take from the preset what is not given."""
        if self.training is None:
            object.__setattr__(self, "training", preset(self.preset).encoder)


@dataclass(frozen=True, kw_only=True)
class DecompositionRecipe:
    """A decomposition's network and training."""

    levels: tuple[int, ...] = ()
    """Resolutions, coarse to fine; empty = see `decomposition_shape`."""
    num_iterations: int = 2
    max_displacement: float = 0.08
    width: int | None = 48
    preset: PresetName = "improved"
    """Where choices and training come from that are not set: `improved`, `unsupervised` = the same with the paper's
    losses only instead of true masks, `released` = the paper's released training."""
    choices: Choices = None  # type: ignore[assignment]
    """None = the preset's."""
    features: bool = False
    """Without VGG, compare the encoder's features too when the image weights ask for a perceptual term."""
    training: DecompositionTraining = None  # type: ignore[assignment]
    """None = the preset's. The released area limits go with the levels that there are."""

    def __post_init__(self):
        """Take from the preset what is not given."""
        chosen = preset(self.preset, self.levels)
        if self.choices is None:
            object.__setattr__(self, "choices", chosen.choices)
        if self.training is None:
            object.__setattr__(self, "training", chosen.decomposition)


@dataclass(frozen=True, kw_only=True)
class DirectionsRecipe:
    """How directions are found."""

    search: DirectionSearch = field(default_factory=DirectionSearch)
    styles: Literal["known", "encoder"] = "known"
    """Styles of the labelled pictures: from their parameters, or read by an encoder."""


@dataclass(frozen=True, kw_only=True)
class RegressorRecipe:
    """A regressor's network and training."""

    labels: tuple[str, ...] = ()
    """Empty = all that vary."""
    resolution: int = 64
    widths: tuple[int, ...] = (24, 48, 96, 128)
    training: RegressorTraining = field(default_factory=RegressorTraining)


def build_encoder(config: EncoderRecipe, data: Dataset, inputs: Inputs) -> Prepared:
    """An encoder's training; needs a generator."""
    _check_used(inputs, config.training.image, config.training.occluded_share)
    folder = inputs.folder("generator")
    generator = find_generator(folder)
    latents, source = find_latents(folder, data, generator)
    size = generator.config.resolution
    begin = inputs.folders.get("encoder")
    trainer = EncoderTrainer(
        data,
        generator,
        with_size(config.network, generator),
        config.training,
        latents=latents,
        source=source,
        networks=_networks(inputs, None),
        photographs=_photographs(inputs, size),
        begin=None if begin is None else find_encoder(begin),
        device=inputs.device,
    )

    def write(folder: Path) -> None:
        network = trainer.network()
        save_trained(folder, kind="encoder", config=network.config, network=network)

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


def build_decomposition(config: DecompositionRecipe, data: Dataset, inputs: Inputs) -> Prepared:
    """A decomposition's training; needs a generator and its encoder."""
    _check_used(inputs, config.training.image, config.training.occluded_share)
    generator, encoder = find_generator(inputs.folder("generator")), find_encoder(inputs.folder("encoder"))
    shape = decomposition_shape(
        generator,
        encoder,
        config.levels,
        num_iterations=config.num_iterations,
        max_displacement=config.max_displacement,
        width=config.width,
        choices=config.choices,
    )
    training = _with_limits_of(config, shape.levels)
    encoder = encoder.to(inputs.device)
    size = generator.config.resolution
    begin = inputs.folders.get("decomposition")
    trainer = DecompositionTrainer(
        data,
        InversionModel(encoder, generator, Decomposition(shape)),
        shape,
        training,
        networks=_networks(inputs, encoder_features(encoder) if config.features else None),
        photographs=_photographs(inputs, size),
        begin=None if begin is None else find_decomposition(begin),
        device=inputs.device,
    )

    def write(folder: Path) -> None:
        network = trainer.calibrated()
        save_trained(folder, kind="decomposition", config=network.config, network=network)

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


def _photographs(inputs: Inputs, size: int) -> Tensor | None:
    folder = inputs.folders.get("photographs")
    return None if folder is None else read_photographs(folder, size)


def build_directions(config: DirectionsRecipe, data: Dataset, inputs: Inputs) -> Prepared:
    """Directions; needs a generator, an encoder where styles are not known, and a regressor to measure with."""
    folder = inputs.folder("generator")
    generator = find_generator(folder)
    latents, source = find_latents(folder, data, generator)
    if config.styles == "known" and latents is None:
        raise TrainingError(
            "the styles of these pictures are not known, since the generator was not trained on their parameters: set "
            "styles to encoder, and give --input encoder=DIR"
        )
    trainer = DirectionTrainer(
        data,
        generator,
        config.search,
        latents=latents if config.styles == "known" else None,
        encoder=find_encoder(inputs.folder("encoder")) if config.styles == "encoder" else None,
        regressor=find_regressor(inputs),
        source=source,
        device=inputs.device,
    )
    judge = inputs.folders.get("regressor")

    def write(folder: Path) -> None:
        trainer.write(folder, regressor_sha256=None if judge is None else regressor_sha256(judge))

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


def build_regressor(config: RegressorRecipe, data: Dataset, inputs: Inputs) -> Prepared:
    """A regressor's training; needs nothing but labels."""
    shape = RegressorConfig(
        labels=config.labels or varying_labels(data), resolution=config.resolution, widths=config.widths
    )
    trainer = RegressorTrainer(data, shape, config.training, device=inputs.device)

    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        trainer.network().save(folder)

    return Prepared(trainer=trainer, steps=trainer.steps, write=write)


def _with_limits_of(config: DecompositionRecipe, levels: tuple[int, ...]) -> DecompositionTraining:
    """The training with the preset's area limits for the levels found, unless others are set."""
    training, usual = config.training, preset(config.preset, config.levels).decomposition.level_area_limits
    if usual is None or training.level_area_limits != usual:
        return training
    return replace(training, level_area_limits=preset(config.preset, levels).decomposition.level_area_limits)


def _check_used(inputs: Inputs, image: ImageWeights, occluded_share: float) -> None:
    """Refuse inputs whose term has no weight: whoever gives a network believes that it is looked through."""
    weights = {
        "vgg": ("training.image.perceptual or training.image.style", max(image.perceptual, image.style)),
        "identity": ("training.image.identity", image.identity),
        "regressor": ("training.image.identity", image.identity),
        "photographs": ("training.occluded_share", occluded_share),
    }
    for name, (setting, weight) in weights.items():
        if name in inputs.folders and weight <= 0:
            raise TrainingError(
                f"the input {name} would not be used, since {setting} is 0: set it above 0, or leave the input out"
            )


def _networks(inputs: Inputs, features: FeatureNetwork | None) -> LossNetworks:
    identity = None if "identity" not in inputs.folders else find_identity(inputs.folders["identity"])
    regressor = find_regressor(inputs)
    embed: Embed | None = None if regressor is None else regressor.to(inputs.device).embed
    return LossNetworks.given(
        vgg=inputs.folders.get("vgg"), identity=identity, features=features, embed=embed, device=inputs.device
    )
