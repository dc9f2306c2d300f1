"""The recipe of the embedded bundle: datasets of rendered portraits in, a bundle with its model card out.

Run it with `python -m oodinv.training.embedded --clean DIR… --worn DIR… --work DIR --out DIR`; measure the bundle with
`oodinv evaluate`, and put the table into its card with `python -m oodinv.evaluation.card`. Every step saves its state
under `--work` and goes on where it was stopped. The card of a bundle says where its training differed from what stands
here.
"""

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import GeneratorConfig
from oodinv.training.card import write_card
from oodinv.training.data import Dataset, join_datasets, open_dataset
from oodinv.training.decomposition import train_decomposition
from oodinv.training.direction_finding import DirectionSearch, DirectionTrainer, FoundDirection
from oodinv.training.encoder import train_encoder
from oodinv.training.generator import GeneratorTraining, train_generator
from oodinv.training.job import find_device
from oodinv.training.latents import Latents, PortraitLatents, known_params
from oodinv.training.loop import run_training
from oodinv.training.phases import Phase
from oodinv.training.presets import improved
from oodinv.training.regressor import RegressorTraining, train_regressor
from oodinv.training.seen import refuse_test

EDITS = ("smile", "age", "gender", "yaw", "mouth_open")
"""Those of them that the portraits have labels of."""
LEVELS = (16, 32, 64)
SIZE = 128


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Numbers of images per step; everything else is fixed below."""

    low: int = 52_000
    """At 64 pixels, paired losses only."""
    high: int = 42_000
    """At 128 pixels, paired losses only."""
    adversarial: int = 0
    """At 128 pixels, with the adversarial loss; 0 leaves that phase out."""
    encoder: int = 16_000
    regressor: int = 30_000
    """Measures the directions; it is no part of the bundle."""
    decomposition: int = 5_000


def generator_config(num_parameters: int) -> GeneratorConfig:
    """Slim StyleGAN2: config F's shape at an eighth of its width."""
    return GeneratorConfig(
        resolution=SIZE,
        channel_base=4096,
        channel_max=192,
        style_dim=256,
        z_dim=num_parameters,
        num_mapping_layers=4,
        mapping_rate_multiplier=0.3,
        normalise_z=False,
    )


def encoder_config(generator: GeneratorConfig) -> EncoderConfig:
    """Slim e4e on 64-pixel input."""
    return EncoderConfig(
        num_layers=generator.num_layers,
        style_dim=generator.style_dim,
        input_resolution=64,
        stem_width=32,
        widths=(32, 64, 128, 192),
        units=(2, 2, 3, 2),
        head_width=96,
    )


def slim_decomposition(generator: GeneratorConfig, encoder: EncoderConfig) -> DecompositionConfig:
    """Three levels, compared on 48 channels."""
    return DecompositionConfig(
        levels=LEVELS,
        generator_channels=tuple(generator.channels(level) for level in LEVELS),
        encoder_channels=tuple(encoder.map_channels[level] for level in LEVELS),
        num_iterations=2,
        max_displacement=0.08,
        width=48,
        choices=Choices.improved(),
    )


def train(
    clean: Dataset,
    worn: Dataset,
    recipe: Recipe,
    work: Path,
    *,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
) -> tuple[InversionModel, dict[str, FoundDirection]]:
    """Train generator, encoder and decomposition, and find the directions.

    Args:
        clean: Portraits without accessories before plain backgrounds.
        worn: Portraits with and without accessories, before busy backgrounds.
        recipe: How long each step lasts.
        work: Folder of the steps' states.
        device: Where; what is returned is on the processor.
    """
    for data in (clean, worn):
        refuse_test(data)
    params = known_params(clean)
    config = generator_config(params.shape[1])
    phases: tuple[Phase, ...] = (
        Phase(resolution=64, images=recipe.low, rate=9e-3, final_rate=3e-3),
        Phase(resolution=128, images=recipe.high, rate=7e-3, final_rate=3e-4),
    )
    if recipe.adversarial:
        phases += (Phase(resolution=128, images=recipe.adversarial, adversarial=0.3, rate=1e-3, final_rate=3e-4),)
    generator = train_generator(
        clean, config, GeneratorTraining(phases=phases), work / "generator", device=device
    ).eval()
    both = join_datasets([clean, worn])
    latents, source = Latents(params), PortraitLatents(known_params(both), noise=0.03)
    source.standardise = latents
    preset = improved()
    encoder = train_encoder(
        both,
        generator,
        encoder_config(config),
        replace(preset.encoder, images=recipe.encoder),
        work / "encoder",
        latents=latents,
        source=source,
        device=device,
    )
    shape = slim_decomposition(config, encoder.config)
    model = InversionModel(encoder, generator, Decomposition(shape))
    # Half of each batch from the worn dataset, so that a third or more of the crops carries an accessory.
    balanced = join_datasets([worn, clean.subset(slice(len(worn)))])
    decomposition = replace(preset.decomposition, images=recipe.decomposition)
    model.decomposition = train_decomposition(
        balanced, model, shape, decomposition, work / "decomposition", device=device
    )
    regressor = train_regressor(both, work / "regressor", RegressorTraining(images=recipe.regressor), device=device)
    names = tuple(name for name in EDITS if name in regressor.config.labels)
    search = DirectionTrainer(
        clean, generator, DirectionSearch(names=names), latents=latents, regressor=regressor, device=device
    )
    run_training(search, steps=search.steps, folder=work / "directions").check_finished()
    search.write(work / "directions")
    return model.cpu().eval().requires_grad_(False), search.found()


def write_bundle(
    out: Path, model: InversionModel, directions: dict[str, FoundDirection], card: str, *, version: str
) -> Any:
    """Store the trained model as a bundle folder, and return the `Bundle`."""
    # Only here: bundles need more than a bare training machine has.
    from oodinv.bundles.bundle import save_bundle

    assert isinstance(model.encoder, Encoder) and model.decomposition is not None
    generator, encoder = model.generator.config, model.encoder.config
    decomposition = model.decomposition.config
    every_layer = [0, generator.num_layers]
    fields: dict[str, Any] = {
        "format": 1,
        "name": "embedded",
        "version": version,
        "setting": "improved",
        "resolution": generator.resolution,
        "generator": {k: v for k, v in asdict(generator).items() if k != "resolution"},
        "encoder": {"kind": "e4e"} | {k: v for k, v in asdict(encoder).items() if k not in ("num_layers", "style_dim")},
        "decomposition": {
            k: v for k, v in asdict(decomposition).items() if k not in ("generator_channels", "encoder_channels")
        },
        "directions": {
            "edits": {
                name: {
                    "space": "w",
                    "layers": every_layer,
                    "unit": "1 = one standard deviation of the attribute among the training portraits",
                    "safe_range": list(found.safe_range),
                }
                for name, found in directions.items()
            }
        },
        "licence": "Apache-2.0",
        "provenance": "Trained by this project on portraits it renders itself (oodinv.portraits, CC0 assets); card.md",
    }
    return save_bundle(
        out,
        fields=fields,
        model=model,
        directions={name: found.tensor for name, found in directions.items()},
        card=card,
    )


def main() -> None:
    """Command line of the recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=Path, nargs="+", required=True, help="datasets without accessories")
    parser.add_argument("--worn", type=Path, nargs="+", required=True, help="datasets with accessories")
    parser.add_argument("--work", type=Path, required=True, help="states of the steps")
    parser.add_argument("--out", type=Path, required=True, help="bundle folder")
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="auto = a GPU where there is one"
    )
    parser.add_argument("--version", default="0.1")
    parser.add_argument("--note", default="", help="one more item of how it was made, for the card")
    for name, default in asdict(Recipe()).items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="IMAGES")
    args = parser.parse_args()
    recipe = replace(Recipe(), **{name: getattr(args, name) for name in asdict(Recipe())})
    clean, worn = (open_dataset(folders, size=SIZE) for folders in (args.clean, args.worn))
    model, directions = train(clean, worn, recipe, args.work, device=find_device(args.device))
    card = write_card(model, recipe, len(clean), len(worn), note=args.note)
    bundle = write_bundle(args.out, model, directions, card, version=args.version)
    print(card)
    print(f"{args.out}: bundle {bundle.spec.name} {bundle.spec.version}, sha256 {bundle.sha256[:12]}")


if __name__ == "__main__":
    main()
