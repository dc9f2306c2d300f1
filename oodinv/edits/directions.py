"""Directions of every published shape, from `FILE`, `FILE#key=value,…` or `channel:LAYER_INDEX`."""

import os
from pathlib import Path

from torch import Tensor

from oodinv.edits.arrays import numbers, read_arrays
from oodinv.edits.calibrate import calibrate
from oodinv.edits.direction import Direction, no_more, take_layers, take_safe_range, take_unit
from oodinv.edits.edit import EditError
from oodinv.edits.foreign import refuse_foreign_names
from oodinv.edits.ganspace import ganspace_direction
from oodinv.edits.shape import GeneratorShape, Space, tell_space
from oodinv.edits.styleclip import OPTIONS, styleclip_direction
from oodinv.edits.stylespace import channel_direction

__all__ = ["Direction", "GeneratorShape", "Space", "calibrate", "read_direction"]

_CHANNEL = "channel:"


def read_direction(text: str, shape: GeneratorShape) -> Direction:
    """Read a direction and check that it fits a generator.

    Shapes, for a generator of 18 layers with style_dim 512:

    * (512,), (1, 512): one offset for several rows of `w_plus`, all or `layers=A:B` (InterFaceGAN on StyleGAN2, e4e).
    * (18, 512), (1, 18, 512), (9216,), (1, 9216): one for each row (e4e's pose, SAM, StyleFeatureEditor).
    * (9088,), (1, 9088): a flat StyleSpace vector, layers in drawing order.
    * A dictionary with comp and std (GANSpace): `FILE#component=5,layers=0:8`.
    * (6048, 512), the relevance of channels to texts (StyleCLIP): `fs3.npy#text=delta.npy,stats=S_mean_std,beta=0.13`;
      the two other files lie in its folder.
    * `channel:9_409`: one channel of StyleSpace; `channel_direction` says how layers are counted.

    What cannot be told: whether a tensor of the right shape was made for *this* generator. A StyleGAN1 direction has
    the same shape as a StyleGAN2 one (18 layers of 512 at 1024 pixels), and one for another StyleGAN2 of the same size
    too; both load and edit something else. Known names, another number of layers and arrays of objects are refused.

    Args:
        text: `FILE` (`.npy` or `.pt`) or `FILE#key=value,key=value`. Every kind takes `safe=LOW:HIGH`, the range that
            gives faces; those without a unit of their own take `unit=raw`, which leaves their length as it is.
        shape: The generator's.

    Returns:
        The direction; its unit is None until `calibrate` gives it one, unless it has its own.

    Raises:
        EditError: With what was expected and what came.
    """
    name, options = _split(text)
    if name.startswith(_CHANNEL):
        return channel_direction(name.removeprefix(_CHANNEL), options, shape)
    path = Path(name)
    refuse_foreign_names(path.name)
    content = read_arrays(path)
    if not isinstance(content, Tensor):
        read = ganspace_direction(content, options, shape, path.name)
    elif options.keys() & set(OPTIONS) or (content.ndim == 2 and len(content) == shape.num_conv_channels):
        read = styleclip_direction(content, path, options, shape)
    else:
        read = _tensor_direction(content, options, shape, path.name)
    if not read.tensor.any():
        raise EditError(f"{path.name}: the direction is zero everywhere it would move something")
    return read


def _split(text: str) -> tuple[str, dict[str, str]]:
    """`FILE#key=value,key=value` in its parts; a # in a file's name is fine as long as the file is there."""
    name, mark, rest = text.rpartition("#")
    if not mark or os.path.isfile(text):
        return text, {}
    options: dict[str, str] = {}
    for part in rest.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (key and equals and value) or key in options:
            raise EditError(f"expected FILE#key=value,key=value with every key once, got {text[:120]!r}")
        options[key] = value
    return name, options


def _tensor_direction(tensor: Tensor, options: dict[str, str], shape: GeneratorShape, name: str) -> Direction:
    space, own_shape = tell_space(tuple(tensor.shape), shape, name)
    values = numbers(tensor, name).reshape(own_shape)
    unit, safe_range = take_unit(options), take_safe_range(options)
    if space == "style":
        no_more(options, f"{name} (a StyleSpace vector)", ("unit", "safe"))
        return Direction(tensor=values, space=space, layers=(0, shape.num_layers), unit=unit, safe_range=safe_range)
    first, last = take_layers(options, shape)
    no_more(options, name, ("layers", "unit", "safe"))
    if space == "w_plus":
        values = values.clone()
        values[:first] = 0
        values[last:] = 0
    return Direction(tensor=values, space=space, layers=(first, last), unit=unit, safe_range=safe_range)
