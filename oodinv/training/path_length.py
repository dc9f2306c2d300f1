"""Path length regularisation (Karras et al. 2020, section 3.2): steps in W change the picture by equal amounts."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def path_lengths(
    image: Float[Tensor, "batch 3 size size"],
    w_plus: Float[Tensor, "batch layers style_dim"],
    noise: Float[Tensor, "batch 3 size size"],
) -> Float[Tensor, " batch"]:
    """Length of J^T y for each sample, J the Jacobian of the image with respect to the styles, y random (Eq. 4).

    Args:
        image: Drawn from `w_plus`, with gradient.
        w_plus: One style per layer; layers count by their mean, so that a deeper generator has no longer paths.
        noise: y before its scale 1/sqrt(pixels), drawn from N(0, 1).

    Returns:
        Lengths that can be differentiated again.
    """
    scaled = noise / math.sqrt(image.shape[2] * image.shape[3])
    (gradient,) = torch.autograd.grad((image * scaled).sum(), w_plus, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Float[Tensor, " batch"], mean: float) -> Float[Tensor, ""]:
    """Mean squared distance of lengths from their running mean."""
    return (lengths - mean).square().mean()
