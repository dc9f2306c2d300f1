"""StyleGAN2 generators as rosinality's training writes them, the layout pSp, e4e and the released method share.

Layout: `{"g_ema": state dict, "latent_avg": (512,)}`; a training checkpoint also holds `g`, `d`, their optimisers and
`args`, some conversions lack `latent_avg`. Kernels of modulated convolutions have a leading 1, RGB biases are
(1, 3, 1, 1), noise strengths (1,). Up-convolutions are stored for a transposed convolution, as ours are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from oodinv.bundles.formats.generators import check_kernels, generator_weights, shape_of, with_noise
from oodinv.bundles.formats.parts import GeneratorPart
from oodinv.bundles.formats.table import (
    Row,
    as_map,
    axis,
    count,
    leading_one,
    one_less,
    one_more,
    one_number,
    to_ours,
    to_theirs,
)

ROWS = (
    Row("style.{}.*", "mapping.layers.{}.*", number=one_more),  # style.0 is the normalisation
    Row("input.input", "constant"),
    Row("conv1.conv.weight", "convs.0.weight", shape=leading_one),
    Row("conv1.conv.modulation.*", "convs.0.affine.*"),
    Row("conv1.noise.weight", "convs.0.noise_strength", shape=one_number),
    Row("conv1.activate.bias", "convs.0.bias"),
    Row("convs.{}.conv.weight", "convs.{}.weight", number=one_less, shape=leading_one),
    Row("convs.{}.conv.modulation.*", "convs.{}.affine.*", number=one_less),
    Row("convs.{}.noise.weight", "convs.{}.noise_strength", number=one_less, shape=one_number),
    Row("convs.{}.activate.bias", "convs.{}.bias", number=one_less),
    Row("noises.noise_{}", "convs.{}.noise"),
    Row("to_rgb1.conv.weight", "to_rgbs.0.weight", shape=leading_one),
    Row("to_rgb1.conv.modulation.*", "to_rgbs.0.affine.*"),
    Row("to_rgb1.bias", "to_rgbs.0.bias", shape=as_map),
    Row("to_rgbs.{}.conv.weight", "to_rgbs.{}.weight", number=one_less, shape=leading_one),
    Row("to_rgbs.{}.conv.modulation.*", "to_rgbs.{}.affine.*", number=one_less),
    Row("to_rgbs.{}.bias", "to_rgbs.{}.bias", number=one_less, shape=as_map),
)
KERNELS = ("convs.{}.conv.blur.kernel", "to_rgbs.{}.upsample.kernel")
"""Constants of the layout, checked and dropped."""


def is_generator(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has this layout."""
    return "input.input" in tensors and "conv1.conv.weight" in tensors


def read_generator(tensors: Mapping[str, Tensor], what: str) -> GeneratorPart:
    """Translate a state dict of this layout.

    Raises:
        BundleError: With what was expected and what came.
    """
    num_up = count(tensors, "convs.{}.conv.weight") // 2
    channels = [axis(tensors, "conv1.conv.weight", 1, 5, what)]
    channels += [axis(tensors, f"convs.{2 * k}.conv.weight", 1, 5, what) for k in range(num_up)]
    style_dim = axis(tensors, "conv1.conv.modulation.weight", 1, 2, what)
    num_mapping = count(tensors, "style.{}.weight", first=1)
    config = shape_of(
        channels,
        style_dim=style_dim,
        z_dim=axis(tensors, "style.1.weight", 1, 2, what) if num_mapping else style_dim,
        num_mapping_layers=num_mapping,
        what=what,
    )
    check_kernels(tensors, KERNELS, 4.0, what)
    translated = to_ours(
        tensors, ROWS, generator_weights(config), what=what, dropped=KERNELS, optional="convs.{}.noise"
    )
    weights, notes = with_noise(translated, config)
    return GeneratorPart(config=config, weights=weights, notes=notes)


def write_generator(part: GeneratorPart) -> dict[str, Tensor]:
    """The state dict of this layout, with its constants."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps) / 16  # an upsampling doubles along both axes: the sum is 4
    num_up = len(part.config.resolutions) - 1
    tensors = to_theirs(part.weights, ROWS)
    for k in range(num_up):
        tensors[f"convs.{2 * k}.conv.blur.kernel"] = kernel.clone()
        tensors[f"to_rgbs.{k}.upsample.kernel"] = kernel.clone()
    return tensors
