"""Progressive deltas: an encoder's layers leave the common style one after the other (e4e, section 3.2)."""

import torch
from jaxtyping import Float
from torch import Tensor


def active_layers(images: int, num_layers: int, *, begin: int, every: int) -> int:
    """How many layers have a style of their own.

    Args:
        images: Seen so far.
        num_layers: Of `w_plus`.
        begin: Images with one common style.
        every: Images between one layer's joining and the next one's; 0 = all join at once.
    """
    if images < begin:
        return 1
    return num_layers if every == 0 else min(num_layers, 2 + (images - begin) // every)


def hold_back(delta_w: Float[Tensor, "batch layers style_dim"], active: int) -> Float[Tensor, "batch layers style_dim"]:
    """The first layer's style for all layers that have not joined yet."""
    joined = torch.arange(delta_w.shape[1], device=delta_w.device)[:, None] < active
    return torch.where(joined, delta_w, delta_w[:, :1])


def delta_norms(delta_w: Float[Tensor, "batch layers style_dim"]) -> Float[Tensor, ""]:
    """Σ over layers of the distance to the first one's style, mean over the batch (e4e, Eq. 1).

    It keeps codes near W, where edits work. Layers that are held back add nothing.
    """
    squares = (delta_w[:, 1:] - delta_w[:, :1]).float().square().sum(dim=-1)
    # The root has no gradient at 0, where every encoder starts.
    return ((squares + 1e-8).sqrt() - 1e-4).sum(dim=1).mean()
