"""What a training does differently as one of several processes; alone, everything here does nothing.

Convention: the processes hold equal networks. Each takes every n-th sample of the common batch, and gradients are
averaged. Up to rounding that equals the whole batch in one process where a sample's loss depends on that sample alone,
or on groups that a share holds whole, as a discriminator's minibatch statistics. A batch norm sees its own share only:
its running statistics are averaged. Whatever a checkpoint holds must be equal in all processes, since the first one's
is restored everywhere.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from oodinv.training.errors import TrainingError


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _together() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _together() else 1


def own_share(batch: np.ndarray) -> np.ndarray:
    """This process's samples of the common batch, along the first axis.

    Raises:
        TrainingError: The batch cannot be shared equally.
    """
    if len(batch) % world_size():
        raise TrainingError(
            f"{world_size()} workers need a batch they can share equally, got {len(batch)}: choose a multiple of "
            f"{world_size()}"
        )
    return batch[rank() :: world_size()]


def own_rows(batch: Tensor) -> Tensor:
    """`own_share` of a tensor that all processes drew alike."""
    return batch[rank() :: world_size()]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    if not _together():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    start = 0
    for g in gradients:
        g.copy_(flat[start : start + g.numel()].view_as(g))
        start += g.numel()


def average_buffers(network: nn.Module) -> None:
    """Replace a network's buffers of real numbers, a batch norm's statistics, by their means over the processes."""
    if not _together():
        return
    for buffer in network.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer /= world_size()


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, in the order of the common batch; without gradient."""
    if not _together():
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)


def mean_over_ranks(values: Mapping[str, float]) -> dict[str, float]:
    """Each number's mean over the processes; all must bring the same names."""
    if not _together():
        return dict(values)
    numbers = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
    dist.all_reduce(numbers)
    return dict(zip(values, (numbers / world_size()).tolist(), strict=True))


def mean_tensor(x: Tensor) -> Tensor:
    """A tensor's mean over the processes, without gradient."""
    if not _together():
        return x.detach()
    x = x.detach().clone()
    dist.all_reduce(x)
    return x / world_size()


def any_rank(*flags: bool) -> tuple[bool, ...]:
    """For each flag, whether any process raised it: what one decides, all do."""
    if not _together():
        return flags
    raised = torch.tensor([float(flag) for flag in flags], device=_device())
    dist.all_reduce(raised)
    return tuple(count > 0 for count in raised.tolist())


def broadcast(value: Any) -> Any:
    """What the first process has, for all."""
    if not _together():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=_device())
    return box[0]


def step_seed(*numbers: int, own: bool = False) -> int:
    """A seed from numbers such as (seed, step); `own` = another one in each process."""
    entropy = [*numbers, rank()] if own and rank() else list(numbers)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def _together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
