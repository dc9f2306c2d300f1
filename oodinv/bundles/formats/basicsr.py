"""StyleGAN2 generators as BasicSR writes them (also the ones GFPGAN starts from).

Layout: `{"params_ema": state dict, "params": state dict}`. The numbers are those of rosinality's layout under other
names: `style_mlp.0` is the normalisation, a layer's noise strength is its `weight`. FIR kernels are not stored.
GFPGAN's "clean" generators look alike and are another network: they upsample bilinearly and have no equalised rates.
"""

from collections.abc import Mapping

from torch import Tensor

from oodinv.bundles.formats.generators import generator_weights, shape_of, with_noise
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
)
from oodinv.bundles.spec import BundleError

ROWS = (
    Row("style_mlp.{}.*", "mapping.layers.{}.*", number=one_more),
    Row("constant_input.weight", "constant"),
    Row("style_conv1.modulated_conv.weight", "convs.0.weight", shape=leading_one),
    Row("style_conv1.modulated_conv.modulation.*", "convs.0.affine.*"),
    Row("style_conv1.weight", "convs.0.noise_strength", shape=one_number),
    Row("style_conv1.activate.bias", "convs.0.bias"),
    Row("style_convs.{}.modulated_conv.weight", "convs.{}.weight", number=one_less, shape=leading_one),
    Row("style_convs.{}.modulated_conv.modulation.*", "convs.{}.affine.*", number=one_less),
    Row("style_convs.{}.weight", "convs.{}.noise_strength", number=one_less, shape=one_number),
    Row("style_convs.{}.activate.bias", "convs.{}.bias", number=one_less),
    Row("noises.noise{}", "convs.{}.noise"),
    Row("to_rgb1.modulated_conv.weight", "to_rgbs.0.weight", shape=leading_one),
    Row("to_rgb1.modulated_conv.modulation.*", "to_rgbs.0.affine.*"),
    Row("to_rgb1.bias", "to_rgbs.0.bias", shape=as_map),
    Row("to_rgbs.{}.modulated_conv.weight", "to_rgbs.{}.weight", number=one_less, shape=leading_one),
    Row("to_rgbs.{}.modulated_conv.modulation.*", "to_rgbs.{}.affine.*", number=one_less),
    Row("to_rgbs.{}.bias", "to_rgbs.{}.bias", number=one_less, shape=as_map),
)


def is_generator(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has this layout."""
    return "constant_input.weight" in tensors and "style_conv1.modulated_conv.weight" in tensors


def read_generator(tensors: Mapping[str, Tensor], what: str) -> GeneratorPart:
    """Translate a state dict of this layout.

    Raises:
        BundleError: With what was expected and what came.
    """
    if "style_conv1.bias" in tensors:
        raise BundleError(
            f"{what} is one of GFPGAN's clean generators (style_conv1.bias instead of style_conv1.activate.bias): they "
            "upsample bilinearly and are not StyleGAN2. Import the generator it was converted from"
        )
    num_up = count(tensors, "style_convs.{}.modulated_conv.weight") // 2
    channels = [axis(tensors, "style_conv1.modulated_conv.weight", 1, 5, what)]
    channels += [axis(tensors, f"style_convs.{2 * k}.modulated_conv.weight", 1, 5, what) for k in range(num_up)]
    style_dim = axis(tensors, "style_conv1.modulated_conv.modulation.weight", 1, 2, what)
    num_mapping = count(tensors, "style_mlp.{}.weight", first=1)
    config = shape_of(
        channels,
        style_dim=style_dim,
        z_dim=axis(tensors, "style_mlp.1.weight", 1, 2, what) if num_mapping else style_dim,
        num_mapping_layers=num_mapping,
        what=what,
    )
    translated = to_ours(tensors, ROWS, generator_weights(config), what=what, optional="convs.{}.noise")
    weights, notes = with_noise(translated, config)
    return GeneratorPart(config=config, weights=weights, notes=notes)
