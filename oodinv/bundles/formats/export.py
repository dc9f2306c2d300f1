"""A bundle's networks in a published layout, for the code of others."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from oodinv.bundles.bundle import LoadedBundle, load_bundle
from oodinv.bundles.formats import psp, rosinality
from oodinv.bundles.formats.generators import RATE_MULTIPLIER
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
    weights = {name: tensor for name, tensor in generator.state_dict().items() if name != "latent_avg"}
    weights |= _at_published_rate(loaded)
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
    widths = encoder.config.widths
    if any(a == b for a, b in pairwise(widths)):
        raise BundleError(
            f"bundle {loaded.bundle.spec.name}: its encoder has stages of {', '.join(map(str, widths))} channels: the "
            "e4e layout tells stages by where channels change, so none may have as many as the one before"
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


def _at_published_rate(loaded: LoadedBundle) -> dict[str, Tensor]:
    """The mapping's weights for the rate multiplier that published readers take for granted.

    A layer is x (W g)ᵀ + b m with g proportional to m: another m takes W and b scaled by the ratio.

    Raises:
        BundleError: The mapping takes latents as they are, which they cannot know.
    """
    generator = loaded.model.generator
    if not generator.config.normalise_z:
        raise BundleError(
            f"bundle {loaded.bundle.spec.name} maps latents as they are, every published layout normalises them first: "
            "its generator cannot be written so"
        )
    ratio = generator.config.mapping_rate_multiplier / RATE_MULTIPLIER
    return {f"mapping.{name}": tensor * ratio for name, tensor in generator.mapping.state_dict().items()}
