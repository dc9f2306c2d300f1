"""Checkpoints of the pSp framework: pSp, e4e, ReStyle and what was built on e4e (HFGI, SDIC).

Layout: `{"state_dict": …, "latent_avg": …, "opts": …}`; the state dict holds `encoder.*` and `decoder.*`, the latter a
generator in rosinality's layout. `latent_avg` is repeated for every layer, (18, 512); it is missing where the encoder
gives styles themselves (`start_from_latent_avg` false). Training saves add optimisers and critics. `opts` is a
dictionary or an argparse.Namespace; `encoder_type` in it is the only thing that tells e4e from pSp.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from oodinv.bundles.formats import restyle, rosinality
from oodinv.bundles.formats.generators import num_styles
from oodinv.bundles.formats.irse import COUNTERS, backbone_rows, backbone_shape, head_depths, head_rows
from oodinv.bundles.formats.latent_avg import one_style
from oodinv.bundles.formats.parts import EncoderPart, Parts, Setting
from oodinv.bundles.formats.table import Row, axis, to_ours, weights_of
from oodinv.bundles.spec import BundleError
from oodinv.models.e4e import Encoder, EncoderConfig

PYRAMID = (
    Row("latlayer1.*", "lateral_middle.*"),
    Row("latlayer2.*", "lateral_fine.*"),
)
DROPPED_PARTS = ("residue.", "grid_align.")
"""HFGI's own refinement."""

PYRAMIDS = {"Encoder4Editing": True, "GradualStyleEncoder": False}
"""e4e and pSp by their `encoder_type`, and whether every layer is an offset from the first head's code."""
RESTYLES = {"ProgressiveBackboneEncoder": True, "BackboneEncoder": False}
"""ReStyle over e4e and over pSp."""
KNOWN = ", ".join((*PYRAMIDS, *RESTYLES))


def is_checkpoint(content: Any) -> bool:
    """Whether a file has this layout."""
    if not isinstance(content, Mapping) or not isinstance(content.get("state_dict"), Mapping):
        return False
    return any(str(key).startswith("encoder.input_layer.") for key in content["state_dict"])


def read_checkpoint(content: Mapping[str, Any], what: str, setting: Setting) -> Parts:
    """Take a checkpoint apart.

    Raises:
        BundleError: With what was expected and what came.
    """
    state = content["state_dict"]
    strange = [str(k)[:60] for k, v in state.items() if not isinstance(k, str) or not isinstance(v, Tensor)]
    if strange:
        raise BundleError(f"{what}: its state_dict must hold tensors only, {strange[0]!r} is none")
    parts = {name: _under(state, name) for name in ("encoder.", "decoder.")}
    rest = [k for k in state if not k.startswith(("encoder.", "decoder.", *DROPPED_PARTS))]
    if rest:
        raise BundleError(f"{what}: expected encoder.* and decoder.* in its state_dict, got also {rest[:4]}")
    options = _options(content.get("opts"), what)
    decoder = None
    if parts["decoder."]:
        decoder = rosinality.read_generator(parts["decoder."], f"{what}, decoder")
    kind = options.get("encoder_type")
    if kind is None:
        raise BundleError(
            f"{what}: its opts must say encoder_type (one of {KNOWN}): from the weights alone it cannot be told"
        )
    encoder = _read_encoder(parts["encoder."], str(kind), f"{what}, encoder", options, setting)
    _check_size(options, encoder, what)
    absolute = not options.get("start_from_latent_avg", "latent_avg" in content)
    average = content.get("latent_avg")
    notes = encoder.notes
    if any(k.startswith(DROPPED_PARTS) for k in state):
        notes = (*notes, "HFGI's refinement (residue.*, grid_align.*) was left out: the encoder and generator are e4e.")
    return Parts(
        generator=decoder,
        encoder=EncoderPart(config=encoder.config, weights=encoder.weights, absolute=absolute, notes=notes),
        latent_avg=None if average is None else one_style(average, encoder.config.style_dim, what),
    )


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}


def _options(opts: Any, what: str) -> Mapping[str, Any]:
    if isinstance(opts, argparse.Namespace):
        opts = vars(opts)
    if opts is not None and not isinstance(opts, Mapping):
        raise BundleError(f"{what}: its opts must be a dictionary, got {type(opts).__name__}")
    return opts or {}


def _read_encoder(
    tensors: Mapping[str, Tensor], kind: str, what: str, options: Mapping[str, Any], setting: Setting
) -> EncoderPart:
    if kind in PYRAMIDS:
        return read_pyramid_encoder(tensors, what, setting, progressive=PYRAMIDS[kind])
    if kind in RESTYLES:
        return restyle.read_encoder(tensors, what, options, progressive=RESTYLES[kind])
    raise BundleError(f"{what} is a {kind[:60]}: expected one of {KNOWN}")


def read_pyramid_encoder(
    tensors: Mapping[str, Tensor], what: str, setting: Setting, *, progressive: bool
) -> EncoderPart:
    """Translate an e4e or pSp encoder.

    Args:
        tensors: Under the published names, without prefix.
        what: The file, for errors.
        setting: `paper` upsamples the pyramid bicubically and shrinks the crop without a low-pass, as the released
            decomposition code does; `improved` as e4e's own code, with a low-pass.
        progressive: e4e; else pSp.

    Raises:
        BundleError: With what was expected and what came.
    """
    shape = backbone_shape(tensors, what)
    if shape.num_in != 3:
        raise BundleError(f"{what} reads images of {shape.num_in} channels (labels or sketches), expected photos: 3")
    depths = head_depths(tensors, what)
    coarse = depths[0]
    levels = [depth - coarse for depth in depths]
    if levels != sorted(levels) or not set(levels) <= {0, 1, 2}:
        raise BundleError(
            f"{what}: expected style heads of {coarse}, then {coarse + 1}, then {coarse + 2} convolutions, got {depths}"
        )
    config = EncoderConfig(
        num_layers=len(depths),
        style_dim=axis(tensors, "styles.0.linear.weight", 0, 2, what),
        input_resolution=16 * 2**coarse,
        stem_width=shape.stem_width,
        widths=shape.widths,
        units=shape.units,
        head_width=axis(tensors, "styles.0.linear.weight", 1, 2, what),
        num_coarse=levels.count(0),
        num_middle=levels.count(1),
        pyramid_upsample="bicubic" if setting == "paper" else "bilinear",
        antialias=setting == "improved",
        progressive=progressive,
    )
    rows = (*backbone_rows(shape.units), *head_rows(), *PYRAMID)
    weights = to_ours(tensors, rows, weights_of(lambda: Encoder(config)), what=what, dropped=COUNTERS)
    return EncoderPart(config=config, weights=weights)


def _check_size(options: Mapping[str, Any], encoder: EncoderPart, what: str) -> None:
    """The options' picture size is for people; a wrong one tells of weights put together from two models."""
    for name in ("stylegan_size", "output_size"):
        size = options.get(name)
        if isinstance(size, int) and size >= 8 and num_styles(size) != encoder.config.num_layers:
            raise BundleError(
                f"{what}: its opts say {name} {size}, which has {num_styles(size)} styles, its encoder gives "
                f"{encoder.config.num_layers}: the file was put together from two models"
            )
