"""GANSpace: principal components of w (Härkönen et al. 2020, arXiv 2004.02546)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from oodinv.edits.arrays import named, numbers
from oodinv.edits.direction import Direction, no_more, take_layers, take_safe_range
from oodinv.edits.edit import EditError
from oodinv.edits.shape import GeneratorShape

_NAMES = (("comp", "std"), ("lat_comp", "lat_stdev"))


def ganspace_direction(
    content: Mapping[str, Any], options: dict[str, str], shape: GeneratorShape, name: str
) -> Direction:
    """One component times its standard deviation, over a range of rows.

    The published edits set the coordinate along the component to a strength; this moves it by one.

    Args:
        content: `comp` [count, 1, style_dim] with any strides, `std` [count]; the mean is not needed for a difference.
        options: `component=N` and optionally `layers=A:B`, `safe=LOW:HIGH`.
        shape: The generator's.
        name: Of the file.

    Raises:
        EditError: Another dictionary, another style_dim, or no such component.
    """
    for components_name, deviations_name in _NAMES:
        if components_name in content and deviations_name in content:
            components, deviations = content[components_name], content[deviations_name]
            break
    else:
        raise EditError(
            f"{name} must hold a tensor, or comp and std of GANSpace, got a dictionary with {named(content)}"
        )
    count, style_dim = _sizes(components), shape.style_dim
    if count != (len(count) and count[0], 1, style_dim) or _sizes(deviations) != count[:1]:
        raise EditError(
            f"{name}: expected components of shape (count, 1, {style_dim}) and as many deviations, "
            f"got {count} and {_sizes(deviations)}"
        )
    text = options.pop("component", "")
    index = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if not 0 <= index < count[0]:
        raise EditError(f"{name} has components 0 to {count[0] - 1}: expected component=N, got {text[:40]!r}")
    layers, safe_range = take_layers(options, shape), take_safe_range(options)
    no_more(options, name, ("component", "layers", "safe"))
    what = f"component {index} of {name}"
    step = numbers(components[index, 0], what) * numbers(deviations[index], what)
    return Direction(
        tensor=step, space="w", layers=layers, unit="1 = one standard deviation of the component", safe_range=safe_range
    )


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, Tensor) else ()
