"""The moving average of a network's weights, which is what a training gives."""

import torch
from torch import Tensor, nn


def ema_decay(*, batch: int, half_life: float, seen: int, ramp: float) -> float:
    """Decay per step of an average with a half-life in images (Karras et al. 2020, section 4).

    Args:
        batch: Images per step.
        half_life: In images.
        seen: Images seen with this step; at the beginning, when the weights still travel far, the half-life is at
            most `ramp` times this.
        ramp: As said.
    """
    return 0.5 ** (batch / min(half_life, max(ramp * seen, 1e-8)))


def average_into(target: nn.Module, source: nn.Module, decay: float) -> None:
    """Move the target's parameters towards the source's; copy its buffers."""
    with torch.no_grad():
        ours: list[Tensor] = list(target.parameters())
        theirs: list[Tensor] = list(source.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - decay)  # one launch on a GPU, where a network has hundreds of tensors
        for kept, copied in zip(target.buffers(), source.buffers(), strict=True):
            kept.copy_(copied)
