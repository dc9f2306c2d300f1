"""What a direction must fit: the shapes of a generator's latent spaces."""

from dataclasses import dataclass
from typing import Literal

from oodinv.edits.edit import EditError

Space = Literal["w", "w_plus", "style"]
"""Where a direction lives: one offset for several rows of `w_plus`, one for each row, or a flat StyleSpace vector."""


@dataclass(frozen=True, kw_only=True)
class GeneratorShape:
    """The sizes that tell whether a direction belongs to a generator."""

    num_layers: int
    """Rows of `w_plus`; 18 for 1024 pixels."""

    style_dim: int
    """Length of a row."""

    style_widths: tuple[int, ...]
    """Channels of each layer's style, in drawing order: the convolution and RGB layer of 4x4, then of every resolution
    the up-convolution, the second convolution and the RGB layer. 26 numbers for 1024 pixels."""

    @property
    def num_style_channels(self) -> int:
        """Length of a flat StyleSpace vector; 9088 for config F at 1024."""
        return sum(self.style_widths)

    @property
    def rgb_layers(self) -> tuple[int, ...]:
        """Places of the RGB layers in `style_widths`: 1, 4, 7 and so on."""
        return tuple(range(1, len(self.style_widths), 3))

    @property
    def num_conv_channels(self) -> int:
        """Style channels without those of the RGB layers; 6048 for config F at 1024."""
        return self.num_style_channels - sum(self.style_widths[layer] for layer in self.rgb_layers)

    def expected(self) -> str:
        """The shapes of a direction, for an error's text."""
        shapes = [
            (self.style_dim,),
            (1, self.style_dim),
            (self.num_layers, self.style_dim),
            (1, self.num_layers, self.style_dim),
            (self.num_layers * self.style_dim,),
            (self.num_style_channels,),
        ]
        return ", ".join(map(str, shapes[:-1])) + f" or (StyleSpace) {shapes[-1]}"


def tell_space(found: tuple[int, ...], shape: GeneratorShape, what: str) -> tuple[Space, tuple[int, ...]]:
    """Which space a direction is in, from its shape.

    Args:
        found: A published shape.
        shape: The generator's.
        what: What has this shape, for an error.

    Returns:
        The space and the shape a direction has there: [style_dim], [num_layers, style_dim] or [style_channels].

    Raises:
        EditError: It fits none of them.
    """
    core = found[1:] if len(found) > 1 and found[0] == 1 else found
    rows = (shape.num_layers, shape.style_dim)
    if core == (shape.style_dim,):
        return "w", core
    if core == rows or core == (shape.num_layers * shape.style_dim,):
        return "w_plus", rows
    if core == (shape.num_style_channels,):
        return "style", core
    raise EditError(f"{what} must have shape {shape.expected()}, got {found}{_hint(found, shape)}")


def _hint(found: tuple[int, ...], shape: GeneratorShape) -> str:
    """What a tensor of another generator tells about it."""
    if not found or found[-1] != shape.style_dim or len(found) > 3 or (len(found) == 3 and found[0] != 1):
        return ""
    rows = found[-2]
    pixels = f" ({2 ** (rows // 2 + 1)} pixels)" if rows % 2 == 0 and 4 <= rows <= 20 else ""
    return f": it is for a generator of {rows} layers{pixels}, this one has {shape.num_layers}"
