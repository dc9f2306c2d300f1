"""Structural similarity (Wang et al. 2004) and its multi-scale form (Wang, Simoncelli and Bovik 2003).

Convention: Gaussian window of 11 pixels and deviation 1.5, only where it lies wholly inside the picture; biased
variances; K1 = 0.01, K2 = 0.03; each colour channel for itself, then their mean. Pictures are in [-1, 1], so the range
L is 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_WINDOW, _SIGMA, _RANGE = 11, 1.5, 2.0
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first."""


def ssim(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, " batch"]:
    """SSIM per image, 1 for the same picture.

    Args:
        image: In [-1, 1]; clamped, as it would be when written.
        target: In [-1, 1].
        weight: Share of each pixel that counts, read at the window's centre; None = all. An image without weight
            gives NaN.

    Raises:
        ValueError: A side is shorter than the window.
    """
    return ssim_by_region(image, target, {"": weight}, num_scales=1)[""].single


def ms_ssim(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weight: Float[Tensor, "batch 1 height width"] | None = None,
    *,
    num_scales: int | None = None,
) -> Float[Tensor, " batch"]:
    """MS-SSIM per image: contrast and structure at every scale, luminance at the coarsest; scales halve by 2x2 means.

    Args:
        image: In [-1, 1]; clamped.
        target: In [-1, 1].
        weight: As for `ssim`; averaged down with the pictures.
        num_scales: 1 to 5; None = as many as the picture holds (`largest_num_scales`). The exponents of fewer than
            five are scaled to the sum 1.

    Returns:
        One value per image; a scale whose similarity is negative counts as 0.

    Raises:
        ValueError: A side is shorter than the window at the coarsest scale.
    """
    scales = largest_num_scales(min(image.shape[-2:])) if num_scales is None else num_scales
    return ssim_by_region(image, target, {"": weight}, num_scales=scales)[""].multi


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Both forms of a region."""

    single: Float[Tensor, " batch"]
    """SSIM."""
    multi: Float[Tensor, " batch"]
    """MS-SSIM."""


def ssim_by_region(
    image: Float[Tensor, "batch 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weights: Mapping[str, Float[Tensor, "batch 1 height width"] | None],
    *,
    num_scales: int,
) -> dict[str, Similarity]:
    """`ssim` and `ms_ssim` of several regions at once: what is filtered is filtered once.

    Raises:
        ValueError: A side is shorter than the window at the coarsest scale, or there are no such scales.
    """
    if not 1 <= num_scales <= len(SCALE_WEIGHTS):
        raise ValueError(f"MS-SSIM has 1 to {len(SCALE_WEIGHTS)} scales, got {num_scales}")
    _check_size(image, num_scales)
    image, left = image.clamp(-1, 1), dict(weights)
    exponents = torch.tensor(SCALE_WEIGHTS[:num_scales], dtype=image.dtype, device=image.device)
    exponents = exponents / exponents.sum()
    single: dict[str, Tensor] = {}
    multi = {name: image.new_ones(len(image)) for name in weights}
    for scale in range(num_scales):
        similarity, contrast = _maps(image, target)
        for name, weight in left.items():
            if scale == 0:
                single[name] = _mean(similarity, weight)
            value = _mean(similarity if scale == num_scales - 1 else contrast, weight)
            multi[name] = multi[name] * value.clamp_min(0) ** exponents[scale]
        image, target = F.avg_pool2d(image, 2), F.avg_pool2d(target, 2)
        left = {name: None if weight is None else F.avg_pool2d(weight, 2) for name, weight in left.items()}
    return {name: Similarity(single=single[name], multi=multi[name]) for name in weights}


def largest_num_scales(side: int) -> int:
    """Scales of MS-SSIM that a picture's shorter side holds, at most five, at least one."""
    scales = 1
    while scales < len(SCALE_WEIGHTS) and side // 2**scales >= _WINDOW:
        scales += 1
    return scales


def _check_size(image: Tensor, scales: int) -> None:
    if min(image.shape[-2:]) // 2 ** (scales - 1) < _WINDOW:
        raise ValueError(
            f"SSIM at {scales} scales needs sides of at least {_WINDOW * 2 ** (scales - 1)} pixels, "
            f"got {tuple(image.shape[-2:])}"
        )


def _maps(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity, and its contrast and structure part, at every whole window; means over colours."""
    mean_a, mean_b = _window(image), _window(target)
    var_a = _window(image * image) - mean_a * mean_a
    var_b = _window(target * target) - mean_b * mean_b
    both = _window(image * target) - mean_a * mean_b
    contrast = (2 * both + _C2) / (var_a + var_b + _C2)
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a * mean_a + mean_b * mean_b + _C1)
    return (luminance * contrast).mean(dim=1, keepdim=True), contrast.mean(dim=1, keepdim=True)


def _window(x: Tensor) -> Tensor:
    at = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    kernel = torch.exp(-(at**2) / (2 * _SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    rows = F.conv2d(x, kernel, groups=x.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), groups=x.shape[1])


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean(dim=(1, 2, 3))
    rim = _WINDOW // 2
    inside = weight[..., rim:-rim, rim:-rim]
    return (values * inside).sum(dim=(1, 2, 3)) / inside.sum(dim=(1, 2, 3))
