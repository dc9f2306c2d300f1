"""StyleCLIP's global directions, of texts in StyleSpace (Patashnik et al. 2021, arXiv 2103.17249, section 6)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.edits.arrays import check_file, numbers, read_tensor
from oodinv.edits.direction import Direction, no_more, take_safe_range
from oodinv.edits.edit import EditError
from oodinv.edits.shape import GeneratorShape
from oodinv.safe_pickle import PickleRefused, load

OPTIONS = ("text", "stats", "beta")
LARGEST_EMBEDDING = 8192  # CLIP's have 512 to 1024 numbers


def styleclip_direction(relevance: Tensor, path: Path, options: dict[str, str], shape: GeneratorShape) -> Direction:
    """The channels a text moves, each by its standard deviation times its relevance.

    With R the relevance of every channel to every number of a CLIP embedding and t the text's delta of length one, the
    relevance to the text is R·t. Entries below beta are dropped and the rest divided by the largest, so strength 1
    moves the most relevant channel by one standard deviation: the paper's alpha.

    Convention:
        Channels are those of the convolutions in drawing order; RGB layers have no relevance and do not move. The
        statistics are of all layers, RGB layers among them.

    Args:
        relevance: [convolution channels, embedding]; (6048, 512) at 1024 pixels, published as `fs3.npy`.
        path: The relevance's file.
        options: `text=FILE` (the delta of two texts' embeddings), `stats=FILE` (pickle of the means and the standard
            deviations of all layers, published as `S_mean_std`), both relative to the folder of `path`; `beta=NUMBER`,
            the threshold; optionally `safe=LOW:HIGH`.
        shape: The generator's.

    Raises:
        EditError: A file or number is missing or does not fit, or beta leaves no channel.
    """
    name = path.name
    missing = [option for option in OPTIONS if option not in options]
    if missing:
        raise EditError(
            f"{name}: a channel relevance needs #text=DELTA.npy,stats=S_mean_std,beta=0.13; missing are "
            + ", ".join(missing)
        )
    channels = shape.num_conv_channels
    if relevance.ndim != 2 or len(relevance) != channels or relevance.shape[1] > LARGEST_EMBEDDING:
        raise EditError(
            f"{name}: expected a relevance of shape ({channels}, embedding), for the {channels} channels of this "
            f"generator's convolutions; got {tuple(relevance.shape)}"
        )
    beta = _threshold(options.pop("beta"))
    text = _text_delta(path.parent / options.pop("text"), relevance.shape[1])
    deviations = _deviations(path.parent / options.pop("stats"), shape)
    safe_range = take_safe_range(options)
    no_more(options, name, (*OPTIONS, "safe"))
    to_text = numbers(relevance, name).double() @ (text / text.norm())
    largest = float(to_text.abs().max())
    to_text[to_text.abs() < beta] = 0
    if not to_text.any():
        raise EditError(f"{name}: beta={beta:g} leaves no channel, the largest relevance to this text is {largest:.3g}")
    moved = torch.cat([torch.full((width,), i not in shape.rgb_layers) for i, width in enumerate(shape.style_widths)])
    tensor = torch.zeros_like(deviations)
    tensor[moved] = to_text / largest * deviations[moved]
    return Direction(
        tensor=tensor.float(),
        space="style",
        layers=(0, shape.num_layers),
        unit="1 = one standard deviation of the most relevant channel",
        safe_range=safe_range,
    )


def _threshold(text: str) -> float:
    try:
        beta = float(text)
    except ValueError:
        beta = -1.0
    if not 0 <= beta < 100:
        raise EditError(f"expected beta=NUMBER from 0, like beta=0.13, got {text[:40]!r}")
    return beta


def _text_delta(path: Path, size: int) -> Float[Tensor, " embedding"]:
    delta = read_tensor(path)
    if tuple(delta.shape) not in ((size,), (1, size)):
        raise EditError(f"{path.name}: expected a text delta of shape ({size},), got {tuple(delta.shape)}")
    values = numbers(delta, path.name).reshape(size).double()
    if not values.any():
        raise EditError(f"{path.name}: the text delta is zero: two texts of the same meaning give no direction")
    return values


def _deviations(path: Path, shape: GeneratorShape) -> Float[Tensor, " style_channels"]:
    """The standard deviations of all layers' channels."""
    check_file(path)
    try:
        content = load(path)
    except (PickleRefused, OSError) as error:
        raise EditError(f"{path.name} cannot be read as StyleSpace statistics: {error}") from error
    wanted = f"two lists of {len(shape.style_widths)} arrays, means and standard deviations"
    if not isinstance(content, list | tuple) or len(content) != 2 or not isinstance(content[1], list | tuple):
        raise EditError(f"{path.name} must hold {wanted}, got {type(content).__name__}")
    found = tuple(_width(array) for array in content[1])
    if found != shape.style_widths:
        raise EditError(f"{path.name} must hold {wanted} of lengths {shape.style_widths}, got {found}")
    flat = np.concatenate([np.array(array, np.float64).reshape(-1) for array in content[1]])
    return numbers(torch.from_numpy(flat), f"a standard deviation in {path.name}").double()


def _width(array: Any) -> int:
    return array.size if isinstance(array, np.ndarray) and array.dtype.kind in "fiu" else 0
