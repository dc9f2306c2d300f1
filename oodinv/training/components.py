"""GANSpace: principal components of the mapping network's styles (Härkönen et al. 2020, arXiv 2004.02546)."""

import torch
from jaxtyping import Float
from torch import Tensor


def principal_components(
    w: Float[Tensor, "samples style_dim"], count: int
) -> tuple[Float[Tensor, "components style_dim"], Float[Tensor, " components"]]:
    """Directions along which styles vary most.

    Args:
        w: Styles of random latents, without truncation.
        count: Wanted.

    Returns:
        Components of unit length, the strongest first, the largest number of each positive so that the sign is always
        the same; and the standard deviation of the styles along each.

    Raises:
        ValueError: There are not so many.
    """
    most = min(len(w) - 1, w.shape[1])
    if not 1 <= count <= most:
        raise ValueError(f"{len(w)} styles of {w.shape[1]} numbers have 1 to {most} components, got {count}")
    centred = w.double() - w.double().mean(dim=0)
    _, singular, rows = torch.linalg.svd(centred, full_matrices=False)
    variance = singular.square() / (len(w) - 1)
    rows = rows[:count]
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    return (rows * largest.sign()).float(), variance[:count].sqrt().float()
