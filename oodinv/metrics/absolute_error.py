"""Mean absolute error inside a region."""

from jaxtyping import Float
from torch import Tensor


def absolute_error(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """Mean absolute error per image in steps of 8-bit colour (0 to 255).

    Args:
        image: In [-1, 1]; clamped, as it would be when written.
        target: In [-1, 1].
        weight: Share of each pixel that counts; None = all. An image without weight gives NaN.
    """
    error = (image.clamp(-1, 1) - target).abs().mean(dim=1, keepdim=True) * 127.5
    if weight is None:
        return error.mean(dim=(1, 2, 3))
    return (error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
