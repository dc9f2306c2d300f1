"""The smallest networks that are still the method's: 32 pixels, two levels, random weights."""

from pathlib import Path
from typing import Any

import torch

from oodinv.bundles.bundle import save_bundle
from oodinv.bundles.spec import decomposition_config
from oodinv.models.decomposition import Choices, Decomposition, LevelAligner
from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import Generator, GeneratorConfig

SIZE, NUM_LAYERS, STYLE_DIM = 32, 8, 24
GENERATOR = GeneratorConfig(
    resolution=SIZE, channel_base=512, channel_max=16, style_dim=STYLE_DIM, z_dim=20, num_mapping_layers=2
)
ENCODER = EncoderConfig(
    num_layers=NUM_LAYERS,
    style_dim=STYLE_DIM,
    input_resolution=SIZE,
    stem_width=8,
    widths=(8, 12, 16, 16),
    units=(1, 1, 1, 1),
    head_width=16,
)
LAYERS = {"smile": (2, 6), "age": (0, NUM_LAYERS), "yaw": (0, 4)}
"""Edits of the bundle and the rows of `w_plus` they move."""


def tiny_model(*, keep_all: bool = False) -> InversionModel:
    """A model whose mask keeps what is not dark in the crop: 1 there, 0 in the dark, blurred between.

    Args:
        keep_all: The mask is exactly 1 everywhere.
    """
    torch.manual_seed(0)
    shape = decomposition_config(
        GENERATOR, ENCODER, levels=(8, 16), width=8, max_displacement=0.1, choices=Choices.improved()
    )
    model = InversionModel(Encoder(ENCODER), Generator(GENERATOR), Decomposition(shape))
    for level in model.decomposition.levels.values():
        _keep_what_is_not_dark(level, keep_all)
    for conv in model.generator.convs:
        conv.noise_strength.data.fill_(0.1)
    model.generator.latent_avg.normal_()
    return model.eval().requires_grad_(False)


def _keep_what_is_not_dark(level: LevelAligner, keep_all: bool) -> None:
    """The trunk passes its input on, where the crop's colours stand; the head's shortcut reads them."""
    torch.nn.init.zeros_(level.trunk.body[-1].weight)
    for parameter in level.head.body.parameters():
        if parameter.ndim == 4:
            torch.nn.init.normal_(parameter, std=0.3)  # a flow to speak of
    last, shortcut = level.head.body[-1], level.head.shortcut[0]
    for conv in (last, shortcut):
        torch.nn.init.zeros_(conv.weight[2])
    colours = slice(2 * level.config.width, 2 * level.config.width + 3)
    torch.nn.init.constant_(shortcut.weight[2, colours], 0 if keep_all else 200)
    torch.nn.init.constant_(shortcut.bias[2:], 250)


def tiny_fields() -> dict[str, Any]:
    """`bundle.json` without file names and hashes."""
    return {
        "format": 1,
        "name": "tiny",
        "version": "1",
        "setting": "improved",
        "resolution": SIZE,
        "generator": {
            "channel_base": 512,
            "channel_max": 16,
            "style_dim": STYLE_DIM,
            "z_dim": 20,
            "num_mapping_layers": 2,
            "mapping_rate_multiplier": 0.01,
            "normalise_z": True,
        },
        "encoder": {
            "kind": "e4e",
            "input_resolution": SIZE,
            "stem_width": 8,
            "widths": [8, 12, 16, 16],
            "units": [1, 1, 1, 1],
            "head_width": 16,
            "num_coarse": 3,
            "num_middle": 4,
            "pyramid_upsample": "bilinear",
            "antialias": True,
        },
        "decomposition": {
            "levels": [8, 16],
            "num_iterations": 2,
            "max_displacement": 0.1,
            "width": 8,
            "choices": {
                "logit_norm": False,
                "align_corners": True,
                "padding": "border",
                "blur": "centred",
                "gate_warp": False,
                "see_error": True,
                "edit_composition": "reuse",
            },
        },
        "directions": {
            "edits": {
                name: {"space": "w", "layers": list(layers), "unit": "1 = a random step", "safe_range": [-2, 2]}
                for name, layers in LAYERS.items()
            }
        },
        "licence": "Apache-2.0",
        "provenance": "random numbers",
    }


def tiny_directions() -> dict[str, torch.Tensor]:
    """One random direction per edit."""
    rng = torch.Generator().manual_seed(5)
    return {name: torch.randn(STYLE_DIM, generator=rng) for name in LAYERS}


def write_tiny_bundle(folder: Path, *, dtype: torch.dtype = torch.float16, keep_all: bool = False) -> Path:
    """Write the bundle; its folder. `keep_all`: see `tiny_model`."""
    model, directions = tiny_model(keep_all=keep_all), tiny_directions()
    save_bundle(folder, fields=tiny_fields(), model=model, directions=directions, card="# Tiny\n", dtype=dtype)
    return folder
