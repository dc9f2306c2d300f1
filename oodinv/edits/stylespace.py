"""Single channels of StyleSpace (Wu et al. 2021, arXiv 2011.12799)."""

import re

import torch

from oodinv.edits.direction import Direction, no_more, take_safe_range, take_unit
from oodinv.edits.edit import EditError
from oodinv.edits.shape import GeneratorShape

_CHANNEL = re.compile(r"(\d{1,3})_(\d{1,5})", re.ASCII)


def channel_direction(channel: str, options: dict[str, str], shape: GeneratorShape) -> Direction:
    """One channel of one layer's style.

    Convention:
        `LAYER_INDEX` is the paper's: layers count in drawing order with the RGB layers, 0 = the convolution at 4x4,
        1 = its RGB layer, then three for every resolution: up-convolution, second convolution, RGB layer. So `9_409`
        is channel 409 of the second convolution at 32x32, and layers 1, 4, 7, … are RGB layers. A layer's channels are
        those of the feature map it takes in.

    Args:
        channel: Like `9_409`.
        options: `unit=raw` (1 = the style rises by 1), `safe=LOW:HIGH`.
        shape: The generator's.

    Raises:
        EditError: No such layer or channel.
    """
    numbers = _CHANNEL.fullmatch(channel)
    if numbers is None:
        raise EditError(f"expected channel:LAYER_INDEX like channel:9_409, got {'channel:' + channel[:40]!r}")
    layer, index = (int(number) for number in numbers.groups())
    widths = shape.style_widths
    if layer >= len(widths):
        raise EditError(f"channel:{channel}: this generator has style layers 0 to {len(widths) - 1}, got {layer}")
    if index >= widths[layer]:
        raise EditError(f"channel:{channel}: layer {layer} has channels 0 to {widths[layer] - 1}, got {index}")
    unit, safe_range = take_unit(options), take_safe_range(options)
    no_more(options, f"channel:{channel}", ("unit", "safe"))
    tensor = torch.zeros(shape.num_style_channels)
    tensor[sum(widths[:layer]) + index] = 1.0
    return Direction(tensor=tensor, space="style", layers=(0, shape.num_layers), unit=unit, safe_range=safe_range)
