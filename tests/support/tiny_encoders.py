"""Tiny bundles with the other encoders of the method, and with an identity network."""

from dataclasses import asdict
from pathlib import Path

import torch
from tiny_bundle import GENERATOR, NUM_LAYERS, STYLE_DIM, tiny_directions, tiny_fields, tiny_model
from written_out import shake

from oodinv.bundles.bundle import save_bundle
from oodinv.bundles.spec import decomposition_config
from oodinv.models.decomposition import Choices, Decomposition
from oodinv.models.encoders import AnyEncoderConfig, make_encoder
from oodinv.models.featurestyle import FeatureStyleConfig
from oodinv.models.identity import IdentityConfig, IdentityNetwork
from oodinv.models.inversion import InversionModel
from oodinv.models.restyle import RestyleConfig

_SHAPE = {
    "num_layers": NUM_LAYERS,
    "style_dim": STYLE_DIM,
    "stem_width": 4,
    "widths": (4, 6, 8, 16),
    "units": (1, 2, 1, 1),
}
RESTYLE = RestyleConfig(**_SHAPE, input_resolution=32, head_width=8, num_passes=2)
FEATURESTYLE = FeatureStyleConfig(**_SHAPE, input_resolution=64, content_width=16)
IDENTITY = IdentityConfig(input_resolution=16, stem_width=4, widths=(4, 6, 8, 10), units=(1, 1, 1, 1), embedding_dim=12)


def model_with(encoder: AnyEncoderConfig) -> InversionModel:
    """The tiny model with another encoder, and a decomposition for it."""
    model = tiny_model()
    shape = decomposition_config(
        GENERATOR, encoder, levels=(8, 16), width=8, max_displacement=0.1, choices=Choices.improved()
    )
    torch.manual_seed(1)
    model = InversionModel(shake(make_encoder(encoder)), model.generator, Decomposition(shape))
    return model.eval().requires_grad_(False)


def identity_network() -> IdentityNetwork:
    """Random weights that tell faces apart."""
    return shake(IdentityNetwork(IDENTITY))


def write_bundle_with(
    folder: Path,
    *,
    kind: str = "e4e",
    encoder: AnyEncoderConfig | None = None,
    identity: IdentityNetwork | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write a tiny bundle; its folder.

    Args:
        folder: Where to.
        kind: What `bundle.json` calls the encoder.
        encoder: None = the tiny bundle's own.
        identity: None = the bundle has none.
        dtype: Of the weights.
    """
    model = tiny_model() if encoder is None else model_with(encoder)
    fields = tiny_fields()
    if encoder is not None:
        shape = {k: v for k, v in asdict(encoder).items() if k not in ("num_layers", "style_dim")}
        fields["encoder"] = {"kind": kind} | shape
    if identity is not None:
        fields["identity"] = asdict(identity.config)
    save_bundle(
        folder,
        fields=fields,
        model=model,
        directions=tiny_directions(),
        card="# Tiny\n",
        identity=identity,
        dtype=dtype,
    )
    return folder
