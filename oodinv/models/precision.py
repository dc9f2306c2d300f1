"""In which numbers a model computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


@contextmanager
def computing(device: torch.device, precision: Precision) -> Iterator[None]:
    """Evaluate, without gradients, in a precision.

    With `bfloat16` the convolutions round their inputs to 8 bits of mantissa; styles, demodulation, normalisation,
    flows, masks, the sum of the RGB layers and the weights stay float32.
    """
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def has_bfloat16(device: torch.device | str) -> bool:
    """Whether bfloat16 is an instruction there; where it is not, it is emulated, far slower than float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return True


def multiplies_bfloat16() -> bool:
    """Whether this processor has matrix instructions for bfloat16 (AMX), not only products of vectors."""
    return bool(torch.cpu._is_amx_tile_supported())
