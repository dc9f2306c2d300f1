"""Identity loss: how far apart two pictures are as faces."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Embed = Callable[[Tensor], Tensor]
"""Crops in [-1, 1] to vectors [batch, dim]; its weights must be frozen and in evaluation mode."""


def identity_loss(
    embed: Embed, image: Float[Tensor, "batch 3 size size"], target: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, ""]:
    """Mean of 1 - cosine between the embeddings; the target gets no gradient. 0 = the same direction, 2 = opposite.

    `IdentityNetwork.embed` (ArcFace, IR-SE-50) where its weights are given, else the attribute regressor's
    `embed`, which knows less of who somebody is.
    """
    with torch.no_grad():
        wanted = embed(target).float()
    return (1 - F.cosine_similarity(embed(image).float(), wanted, dim=1)).mean()
