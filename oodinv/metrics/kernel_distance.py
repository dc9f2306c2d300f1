"""Kernel distance between sets of features (Bińkowski et al. 2018, arXiv 1801.01401): KID when they are Inception's."""

from jaxtyping import Float
from torch import Tensor


def kernel_distance(a: Float[Tensor, "count_a features"], b: Float[Tensor, "count_b features"]) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y / features + 1)³.

    Unlike the Fréchet distance it is unbiased at any number of pictures; it can be a little below 0.

    Raises:
        ValueError: A set has fewer than two members.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"the unbiased estimate needs at least two pictures, got {len(a)} and {len(b)}")
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        values = kernel(x, x)
        return (values.sum() - values.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())
