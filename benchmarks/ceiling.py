"""What the machine can do at best: one matrix product, as large as pays."""

from dataclasses import dataclass

import torch

from benchmarks.clock import measure

_SIDES = (256, 512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The best rate of a square matrix product, at the present number of threads."""

    flops_per_s: float
    side: int


def measure_ceiling(device: torch.device, dtype: torch.dtype, seconds: float) -> Ceiling:
    """Multiply ever larger matrices until one product takes a tenth of `seconds`; the best rate counts."""
    best = Ceiling(flops_per_s=0.0, side=0)
    for side in _SIDES:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        timing = measure(lambda a=a, b=b: a @ b, device=device, seconds=seconds / len(_SIDES))  # type: ignore[misc]
        # The quickest repetition: this is a limit, and whatever slowed the others is not the machine's.
        rate = 2 * side**3 / timing.min_s
        best = max(best, Ceiling(flops_per_s=rate, side=side), key=lambda found: found.flops_per_s)
        if timing.min_s * len(_SIDES) > seconds:
            break
    return best
