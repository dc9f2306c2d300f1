"""Peak signal-to-noise ratio."""

import torch
from jaxtyping import Float
from torch import Tensor


def psnr(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """PSNR per image, in dB.

    Args:
        image: In [-1, 1]; clamped, as it would be when written.
        target: In [-1, 1].
        weight: Share of each pixel that counts; None = all. An image without weight gives NaN.

    Returns:
        One value per image; infinite where both are equal.
    """
    # Range 2, so the peak's square is 4.
    error = (image.clamp(-1, 1) - target).square().mean(dim=1, keepdim=True)
    if weight is None:
        weight = torch.ones_like(error)
    mean = (error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
    return 10 * torch.log10(4 / mean)
