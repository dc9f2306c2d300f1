"""Masks that mean what they say: a mask of 0.7 is right in 7 of 10 pixels (Platt, 1999).

Balanced classes, the overlap and the truth of coarse levels, all of which a decomposition learns by, leave masks that
are too generous: its order of pixels is good, its 0.5 is not where a pixel is as likely covered as not.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

_LEAST = 1e-4
_FEWEST = 1e-3  # of the pixels, on either side: less is no sample to fit two numbers to


def fit_calibration(
    batches: Iterable[
        tuple[
            Float[Tensor, "batch 1 size size"],
            Float[Tensor, "batch 1 size size"],
            Float[Tensor, "batch 1 size size"],
        ]
    ],
) -> tuple[float, float]:
    """Scale and bias of the logit with the least cross-entropy.

    Args:
        batches: Masks, the truth about them, and the weight of each pixel; all in [0, 1].

    Returns:
        See `DecompositionConfig.calibration`; (1, 0) where the truth is nowhere or everywhere, or nothing is known.
    """
    masks, truths, weights = ([part.flatten().cpu() for part in parts] for parts in zip(*batches, strict=True))
    mask, truth, weight = torch.cat(masks).double(), torch.cat(truths).double(), torch.cat(weights).double()
    total, covered = weight.sum(), (weight * truth).sum()
    if not _FEWEST * total < covered < (1 - _FEWEST) * total:
        return 1.0, 0.0
    logit = torch.logit(mask.clamp(_LEAST, 1 - _LEAST))
    found = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for _ in range(30):  # Newton: the loss is convex, and of two numbers
        value = torch.sigmoid(found[0] * logit + found[1])
        away, curve = weight * (value - truth), weight * value * (1 - value)
        gradient = torch.stack([(away * logit).sum(), away.sum()])
        by_scale, mixed, by_bias = (curve * logit * logit).sum(), (curve * logit).sum(), curve.sum()
        curvature = torch.stack([by_scale, mixed, mixed, by_bias]).reshape(2, 2)
        step = torch.linalg.solve(curvature + 1e-9 * total * torch.eye(2, dtype=torch.float64), gradient)
        # Far from the end Newton may leap: never further than doubles the scale.
        found = found - step * min(1.0, 1.0 / float(step.abs().max().clamp_min(1e-12)))
        if step.abs().max() < 1e-6:
            break
    scale, bias = found.tolist()
    return (scale, bias) if scale > 0 else (1.0, 0.0)
