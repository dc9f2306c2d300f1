"""What stands in for VGG where its weights are not at hand: edges, and the features of a network of one's own.

The stated alternative to the perceptual loss is `structure_loss` (multi-scale L1 of colours and of Sobel gradients)
plus, where a feature network is given, `feature_distance` on it: the frozen encoder when a decomposition is trained.
Nothing stands in for the style loss.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.models.encoding import CropEncoder
from oodinv.training.losses import multiscale_l1

FeatureNetwork = Callable[[Tensor], list[Tensor]]
"""Images in [-1, 1] to feature maps; its weights must be frozen."""


def sobel(image: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel2 height width"]:
    """Horizontal, then vertical derivative of every channel, per pixel: exact on ramps, borders replicated."""
    x = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across, down = x[..., 2:] - x[..., :-2], x[..., 2:, :] - x[..., :-2, :]
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return torch.cat([horizontal, vertical], dim=1) / 8


def structure_loss(
    image: Float[Tensor, "batch 3 size size"],
    target: Float[Tensor, "batch 3 size size"],
    weight: Float[Tensor, "batch 1 size size"],
    scales: Sequence[int] = (1, 2, 4),
) -> Float[Tensor, ""]:
    """`multiscale_l1` of the colours plus `multiscale_l1`'s sum of their Sobel gradients, weighted alike."""
    total = multiscale_l1(image, target, weight, scales)
    difference = image.float() - target
    for scale in scales:
        # The gradient is linear: of the difference it is the difference of the gradients.
        d = difference if scale == 1 else F.avg_pool2d(difference, scale)
        w = weight if scale == 1 else F.avg_pool2d(weight, scale)
        total = total + (sobel(d).abs() * w).mean() / w.mean().clamp_min(1e-3)
    return total


def feature_distance(
    network: FeatureNetwork, image: Float[Tensor, "batch 3 size size"], target: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, ""]:
    """Mean over maps of 1 - cosine between the features of both images at each place; 0 to 2.

    The cosine makes maps of different scale count alike, as LPIPS' normalisation does (Zhang et al. 2018).
    """
    with torch.no_grad():
        wanted = network(target)
    return map_distance(network(image), wanted)


def map_distance(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Float[Tensor, ""]:
    """`feature_distance` of feature maps that are at hand."""
    terms = [
        (1 - F.cosine_similarity(one.float(), other.float(), dim=1, eps=1e-6)).mean()
        for one, other in zip(ours, theirs, strict=True)
    ]
    return torch.stack(terms).mean()


def encoder_features(encoder: CropEncoder) -> FeatureNetwork:
    """The backbone's activations of a frozen encoder, finest first."""
    return lambda image: list(encoder(image).feature_maps.values())


def keep_where(
    image: Float[Tensor, "batch 3 size size"],
    target: Float[Tensor, "batch 3 size size"],
    weight: Float[Tensor, "batch 1 size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """The image where the weight is 1, the target where it is 0: what a network then sees differs only there.

    It is how a loss on features, which has no pixels to weigh, leaves out accessories and pasted occlusions.
    """
    return torch.lerp(target, image.float(), weight.clamp(0, 1))
