"""Fréchet distance between sets of features (Heusel et al. 2017, arXiv 1706.08500): FID when they are Inception's."""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(a: Float[Tensor, "count_a features"], b: Float[Tensor, "count_b features"]) -> float:
    """Distance of the Gaussians with the sets' means and unbiased covariances; 0 for the same set.

    |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½), in float64 by eigenvalues, so that singular covariances (fewer pictures
    than features) need no correction.

    Raises:
        ValueError: A set has fewer than two members.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least two pictures, got {len(a)} and {len(b)}")
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    apart = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(apart + cov_a.trace() + cov_b.trace() - 2 * cross)
