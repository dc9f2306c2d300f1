"""A bundle's networks in a published layout, for the code of others."""

import os
from pathlib import Path
from typing import Any, Literal

import torch

from oodinv.bundles.bundle import LoadedBundle, load_bundle
from oodinv.bundles.formats import psp, rosinality
from oodinv.bundles.formats.irse import backbone_rows, head_rows
from oodinv.bundles.formats.parts import GeneratorPart
from oodinv.bundles.formats.table import Row, to_theirs
from oodinv.bundles.spec import BundleError
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.restyle import RestyleConfig, RestyleEncoder

Layout = Literal["rosinality", "e4e"]


def export_bundle(name: str, layout: Layout, out: Path) -> None:
    """Write a bundle's generator, or its encoder and generator, as others publish them.

    Args:
        name: The bundle.
        layout: `rosinality`: the generator and `latent_avg`. `e4e`: a checkpoint of the pSp framework, with an encoder
            of e4e, pSp or ReStyle.
        out: File to write; must not exist.

    Raises:
        BundleError: The bundle's parts have no such layout, or the file cannot be written.
    """
    loaded = load_bundle(name)
    content = _generator(loaded) if layout == "rosinality" else _checkpoint(loaded)
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        if out.exists():
            raise BundleError(f"{out} exists already: name another file")
        torch.save(content, unfinished)
        os.replace(unfinished, out)
    except OSError as error:
        raise BundleError(f"{out} cannot be written: {error.strerror or error}; name another file") from error
    except RuntimeError as error:  # how torch reports that a folder is missing
        raise BundleError(f"{out} cannot be written: {str(error).splitlines()[0]}; name another file") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _generator(loaded: LoadedBundle) -> dict[str, Any]:
    generator = loaded.model.generator
    _refuse_other_mapping(loaded)
    weights = {name: tensor for name, tensor in generator.state_dict().items() if name != "latent_avg"}
    state = rosinality.write_generator(GeneratorPart(config=generator.config, weights=weights))
    return {"g_ema": state, "latent_avg": generator.latent_avg[0].clone()}


def _checkpoint(loaded: LoadedBundle) -> dict[str, Any]:
    encoder, exported = loaded.model.encoder, _generator(loaded)
    if isinstance(encoder, Encoder):
        kinds = psp.PYRAMIDS
        rows: tuple[Row, ...] = (*backbone_rows(encoder.config.units), *head_rows(), *psp.PYRAMID)
    elif isinstance(encoder, RestyleEncoder):
        kinds = psp.RESTYLES
        rows = (*backbone_rows(encoder.config.units), *head_rows())
    else:
        raise BundleError(
            f"bundle {loaded.bundle.spec.name} has a {loaded.bundle.spec.encoder.kind} encoder: the e4e layout holds "
            "e4e, pSp and ReStyle encoders only"
        )
    state = {f"encoder.{name}": tensor for name, tensor in to_theirs(encoder.state_dict(), rows).items()}
    state |= {f"decoder.{name}": tensor for name, tensor in exported["g_ema"].items()}
    config = encoder.config
    kind = next(kind for kind, progressive in kinds.items() if progressive == config.progressive)
    size = loaded.model.generator.config.resolution
    return {
        "state_dict": state,
        "latent_avg": exported["latent_avg"].repeat(config.num_layers, 1),
        "opts": _options(config, kind, size),
    }


def _options(config: EncoderConfig | RestyleConfig, kind: str, size: int) -> dict[str, Any]:
    options = {
        "encoder_type": kind,
        "stylegan_size": size,
        "output_size": size,
        "start_from_latent_avg": True,
        "learn_in_w": False,
        "input_nc": 3,
    }
    if isinstance(config, RestyleConfig):
        options |= {"input_nc": 6, "n_iters_per_batch": config.num_passes}
    return options


def _refuse_other_mapping(loaded: LoadedBundle) -> None:
    """Published readers take these for granted, whatever the file holds."""
    config = loaded.model.generator.config
    if config.mapping_rate_multiplier != 0.01 or not config.normalise_z:
        raise BundleError(
            f"bundle {loaded.bundle.spec.name} maps its latents otherwise than published layouts can say (rate multiplier "
            f"{config.mapping_rate_multiplier:g}, normalised latents: {config.normalise_z}); they take 0.01 and "
            "normalised ones for granted"
        )
