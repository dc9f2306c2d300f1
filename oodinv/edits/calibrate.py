"""Strengths that mean the same for every direction: 1 = one standard deviation of the generator's own latents."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from oodinv.edits.direction import Direction
from oodinv.edits.edit import EditError


def calibrate(
    direction: Direction,
    w: Float[Tensor, "count style_dim"],
    styles: Float[Tensor, "count style_channels"] | None,
) -> Direction:
    """Scale a direction so that strength 1 moves a face by one standard deviation along it.

    The coordinate of a latent along d is c = <x - mean, d> / <d, d>; x is `w` repeated over the rows the direction
    moves, or the flat style vector. Adding s·d raises c by s, so the direction is multiplied by the standard deviation
    of c over the latents given. For one channel of StyleSpace that is the channel's own.

    Args:
        direction: As read. One that has a unit already is returned as it is.
        w: Styles of the generator for random z, without truncation; a thousand are enough for two digits.
        styles: The flat StyleSpace vectors of the same latents; needed for a direction of StyleSpace only.

    Returns:
        The direction with a unit; its range is unchanged.

    Raises:
        EditError: The latents do not vary along the direction: it moves faces out of what the generator knows.
        ValueError: Fewer than two latents, or no styles for a direction of StyleSpace.
    """
    if direction.unit is not None:
        return direction
    latents, along, what = w, direction.tensor.double(), "the generator's own latents along the direction"
    if direction.space == "style":
        if styles is None:
            raise ValueError("a direction of StyleSpace is calibrated by styles, got none")
        latents = styles
        if along.count_nonzero() == 1:
            what = "the channel over the generator's own latents"
    if len(latents) < 2:
        raise ValueError(f"a deviation takes at least two latents, got {len(latents)}")
    square = along.square().sum()
    if direction.space == "w_plus":
        along = along.sum(dim=0)  # <w repeated, d> = <w, sum of d's rows>
    latents = latents.double()
    deviation = ((latents - latents.mean(dim=0)) @ along / square).std()
    if not deviation > 1e-6 * (latents.std(dim=0).mean() / square.sqrt()):
        raise EditError(
            "the generator's latents do not vary along this direction, so it has no natural unit: give unit=raw to use "
            "it as it is"
        )
    return replace(
        direction, tensor=(direction.tensor.double() * deviation).float(), unit=f"1 = one standard deviation of {what}"
    )
