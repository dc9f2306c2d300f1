"""Adam as StyleGAN2 uses it, and what else the trainings do to networks."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from oodinv.models.precision import multiplies_bfloat16
from oodinv.training.errors import TrainingError


def lazy_adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
    """Adam whose rate and betas are set before every step, see `set_adam`."""
    return torch.optim.Adam(parameters, lr=1e-3, betas=(0.0, 0.99), eps=1e-8)


def set_adam(optimizer: torch.optim.Adam, *, rate: float, momentum: float, lazy_every: int | None) -> None:
    """Set the rate and momentum of the next steps.

    Where a regulariser has a step of its own every k steps, there are (k + 1) / k times as many steps, and each is made
    smaller to keep the pace (Karras et al. 2020, appendix B: c = k / (k + 1), rate · c, beta ^ c).

    Args:
        optimizer: Of one network.
        rate: Learning rate without such steps.
        momentum: Beta 1; 0 against an adversary that moves.
        lazy_every: k; None = no regulariser.
    """
    c = 1.0 if lazy_every is None else lazy_every / (lazy_every + 1)
    for group in optimizer.param_groups:
        group["lr"] = rate * c
        group["betas"] = (momentum**c, 0.99**c)


def channels_last(network: nn.Module) -> None:
    """Store the weights channels last: about 1.5 times as fast on a CPU, and what a GPU's convolutions want."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where it is faster: on a GPU and on processors that multiply matrices of it.

    With AMX a step is 1.5 times as fast as in float32 (decision 015); where it is emulated it is far slower.
    """
    fast = device.type == "cuda" or (device.type == "cpu" and multiplies_bfloat16())
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def check_rates(rate: float, final_rate: float) -> None:
    """Refuse learning rates that teach nothing, or the opposite.

    Raises:
        TrainingError: The rate is not a number above 0, or the last one not a number of at least 0.
    """
    if not (math.isfinite(rate) and rate > 0):
        raise TrainingError(f"rate must be a number above 0, got {rate}")
    if not (math.isfinite(final_rate) and final_rate >= 0):
        raise TrainingError(f"final_rate must be a number of at least 0, got {final_rate}")


def numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars by name as numbers, in one transfer: each one would have a GPU wait for what it has been given."""
    return dict(zip(values, torch.stack([value.detach().float() for value in values.values()]).tolist(), strict=True))
