"""Parts of an inverter, from the folders that trainings leave or from bundles."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError

from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.encoding import CropEncoder
from oodinv.models.identity import IdentityNetwork
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.atomic import write_whole
from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError
from oodinv.training.latents import LatentSource, NormalLatents, PortraitLatents
from oodinv.training.trained import load_generator, read_trained

_LATENTS = "latents.safetensors"


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle; else it is a training's."""
    return (folder / "bundle.json").is_file()


def find_generator(folder: Path) -> Generator:
    """Of a training or a bundle.

    Raises:
        TrainingError: The folder holds none.
        BundleError: The bundle is not as it says.
    """
    return _bundle(folder).model.generator if is_bundle(folder) else load_generator(folder)


def find_resolution(folder: Path) -> int:
    """Side of a generator's images, from a training or a bundle, without reading its weights.

    Raises:
        TrainingError: The folder says none.
    """
    bundle = is_bundle(folder)
    path = folder / ("bundle.json" if bundle else "generator.json")
    try:
        told = json.loads(path.read_bytes())
        return int((told if bundle else told["config"])["resolution"])
    except FileNotFoundError as error:
        raise TrainingError(
            f"{folder} holds no trained generator: expected a bundle, or generator.json, which a training writes when "
            "it has ended. Let it end, or name another folder"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} cannot be read: {str(error)[:200]}") from error


def find_encoder(folder: Path) -> CropEncoder:
    """Of a training or a bundle; see `find_generator`."""
    if is_bundle(folder):
        return _bundle(folder).model.encoder
    config, state = read_trained(folder, "encoder")
    try:
        encoder = Encoder(EncoderConfig(**_tuples(config)))
        encoder.load_state_dict(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the trained encoder in {folder} does not fit its shape: {str(error)[:300]}") from error
    return encoder.eval().requires_grad_(False)


def find_decomposition(folder: Path) -> Decomposition:
    """Of a training or a bundle; see `find_generator`.

    Raises:
        TrainingError: The folder holds none, or the bundle has none.
    """
    if is_bundle(folder):
        found = _bundle(folder).model.decomposition
        if found is None:
            raise TrainingError(f"the bundle {folder} has no decomposition")
        return found
    config, state = read_trained(folder, "decomposition")
    try:
        shape = _tuples(config)
        decomposition = Decomposition(DecompositionConfig(**(shape | {"choices": Choices(**shape["choices"])})))
        decomposition.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the decomposition in {folder} does not fit its shape: {str(error)[:300]}") from error
    return decomposition.eval().requires_grad_(False)


def find_identity(folder: Path) -> IdentityNetwork:
    """Of a bundle: `model_ir_se50.pth` becomes one by `oodinv bundle import`.

    Raises:
        TrainingError: The folder is no bundle with an identity network.
    """
    identity = _bundle(folder).identity if is_bundle(folder) else None
    if identity is None:
        raise TrainingError(f"{folder} holds no identity network: expected a bundle that was imported with one")
    return identity


def save_latents(folder: Path, latents: Latents) -> None:
    """Write beside a generator what turns parameters into its latents."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / _LATENTS, latents.to_bytes())


def read_latents(folder: Path) -> Latents | None:
    """What turns parameters into the latents of a training's or bundle's generator; None = they are no parameters.

    Raises:
        TrainingError: The file in the folder cannot be read.
        BundleError: The bundle is not as it says.
    """
    if is_bundle(folder):
        latents: Latents | None = _bundle(folder).latents
        return latents
    path = folder / _LATENTS
    if not path.is_file():
        return None
    try:
        return Latents.of_tensors(safetensors.torch.load_file(path))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be read: {str(error)[:200]}") from error


def find_latents(folder: Path, data: Dataset, generator: Generator) -> tuple[Latents | None, LatentSource]:
    """What turns the dataset's parameters into a generator's latents, and how those are distributed.

    Means, deviations and noise are those the generator was trained with. A generator without them (of photos) has
    latents that no portrait's parameters tell.

    Args:
        folder: The generator's.
        data: Its parameters are of use only if there are as many as the generator has latents.
        generator: Takes the latents.

    Raises:
        TrainingError: What the folder has cannot be read.
        BundleError: The bundle is not as it says.
    """
    z_dim = generator.config.z_dim
    if data.params is None or data.params.shape[1] != z_dim:
        return None, NormalLatents(z_dim)
    latents = read_latents(folder)
    if latents is None:
        return None, NormalLatents(z_dim)
    return latents, PortraitLatents(data.params, latents)


def decomposition_shape(
    generator: Generator, encoder: CropEncoder, levels: tuple[int, ...], **rest: Any
) -> DecompositionConfig:
    """Fill in the channels at each level.

    Args:
        generator: Draws.
        encoder: Gives the maps to compare with.
        levels: Coarse to fine; empty = the three or four finest that both have up to 256 pixels, but at most half of
            the generator's side where it has more.
        rest: See `DecompositionConfig`.

    Raises:
        TrainingError: One of them has no map at a level.
    """
    config, maps = generator.config, encoder.config.map_channels
    both = sorted(level for level in maps if level in config.resolutions[1:])
    chosen = levels or tuple(level for level in both if level <= max(config.resolution // 2, both[0]))[-4:]
    missing = [level for level in chosen if level not in both]
    if missing or not chosen:
        raise TrainingError(f"no feature maps to compare at {missing}: levels may be among {both}")
    return DecompositionConfig(
        levels=chosen,
        generator_channels=tuple(config.channels(level) for level in chosen),
        encoder_channels=tuple(maps[level] for level in chosen),
        **rest,
    )


def with_size(config: EncoderConfig, generator: Generator) -> EncoderConfig:
    """An encoder's shape with as many styles as a generator takes."""
    return replace(config, num_layers=generator.config.num_layers, style_dim=generator.config.style_dim)


def _bundle(folder: Path) -> Any:
    # Only here: bundles need more than a bare training machine has.
    from oodinv.bundles.bundle import load_bundle

    return load_bundle(str(folder))


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
