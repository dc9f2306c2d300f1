"""Frozen networks that judge pictures: given ones, or what stands in for them, as one sum of weighted terms."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.models.identity import IdentityNetwork
from oodinv.training.fingerprint import function_digest
from oodinv.training.likeness import Embed, identity_loss
from oodinv.training.optimising import numbers
from oodinv.training.perceptual import VGG19Features, perceptual_terms, read_vgg19
from oodinv.training.structure import FeatureNetwork, feature_distance, keep_where, structure_loss


@dataclass(frozen=True, kw_only=True)
class ImageWeights:
    """Weights of the terms; a term of weight 0 is not computed."""

    square: float = 1.0
    """Mean squared error."""
    perceptual: float = 1.0
    """VGG19, or in its absence `structure_loss` and, where features are given, `feature_distance`."""
    style: float = 0.0
    """Gram matrices of VGG19; nothing stands in for it."""
    identity: float = 0.1
    """1 - cosine of embeddings; left out where there is nothing to embed with."""


@dataclass(frozen=True, kw_only=True)
class LossNetworks:
    """What pictures are judged with. All are frozen."""

    vgg: VGG19Features | None = field(default=None, repr=False)
    features: FeatureNetwork | None = field(default=None, repr=False)
    """Looked at only in the absence of `vgg`."""
    embed: Embed | None = field(default=None, repr=False)

    @classmethod
    def given(
        cls,
        *,
        vgg: Path | None,
        identity: IdentityNetwork | None,
        features: FeatureNetwork | None,
        embed: Embed | None,
        device: torch.device,
    ) -> "LossNetworks":
        """Read what is given; `features` and `embed` stand in for what is not.

        Raises:
            TrainingError: The file is no VGG19.
        """
        if identity is not None:
            embed = identity.to(device).eval().requires_grad_(False).embed
        return cls(vgg=None if vgg is None else read_vgg19(vgg).to(device), features=features, embed=embed)

    def told(self) -> dict[str, str | None]:
        """Which terms a training has, and of which weights, for its fingerprint."""
        return {name: function_digest(getattr(self, name)) for name in ("vgg", "features", "embed")}


def image_terms(
    networks: LossNetworks,
    weights: ImageWeights,
    image: Float[Tensor, "batch 3 size size"],
    target: Float[Tensor, "batch 3 size size"],
    weight: Float[Tensor, "batch 1 size size"],
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """Weighted sum of the terms, and each by itself.

    Args:
        networks: What is at hand.
        weights: Of the terms.
        image: Drawn.
        target: Wanted; gets no gradient.
        weight: Of each pixel. Networks see the target where it is 0.
    """
    image, target = image.float(), target.detach()
    # Mean of the weighted pixels, so that the level of the weight does not matter.
    square = ((image - target).square() * weight).mean() / weight.mean().clamp_min(1e-3)
    total, values = weights.square * square, {"square": square}

    def add(name: str, factor: float, term: Tensor) -> None:
        nonlocal total
        total, values[name] = total + factor * term, term

    seen = keep_where(image, target, weight)
    if networks.vgg is not None and (weights.perceptual or weights.style):
        terms = perceptual_terms(networks.vgg, seen, target)
        add("perceptual", weights.perceptual, terms.perceptual)
        add("style", weights.style, terms.style)
    elif weights.perceptual:
        add("structure", weights.perceptual, structure_loss(image, target, weight))
        if networks.features is not None:
            add("features", weights.perceptual, feature_distance(networks.features, seen, target))
    if networks.embed is not None and weights.identity:
        add("identity", weights.identity, identity_loss(networks.embed, seen, target))
    return total, numbers(values)
