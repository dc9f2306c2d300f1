"""Numbers out of foreign files. No file can run code, and none is trusted about its size."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oodinv.edits.edit import EditError

LARGEST_BYTES = 100_000_000
"""The largest published file, StyleCLIP's channel relevance in double precision, has 25 MB."""


def read_arrays(path: Path) -> Tensor | Mapping[str, Any]:
    """Read a `.npy` or `.pt` file.

    Returns:
        A tensor on the CPU, or the dictionary that a `.pt` file holds.

    Raises:
        EditError: Not there, too large, damaged, of another kind, or holding anything but numbers.
    """
    kind = path.suffix.lower()
    if kind not in (".npy", ".pt", ".pth"):
        raise EditError(f"expected a direction in a file ending in .npy or .pt, got {path.name!r}")
    check_file(path)
    return _read_npy(path) if kind == ".npy" else _read_torch(path)


def read_tensor(path: Path) -> Tensor:
    """Read a file that must hold one tensor; see `read_arrays`."""
    found = read_arrays(path)
    if not isinstance(found, Tensor):
        raise EditError(f"{path.name} must hold one tensor, got a dictionary with {named(found)}")
    return found


def check_file(path: Path) -> None:
    """Refuse what is no file, or too large to be a direction.

    Raises:
        EditError: It is.
    """
    if not os.path.isfile(path):  # unlike the path's own method, also false for names no file can have
        raise EditError(f"there is no file {str(path)!r}: check the spelling")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise EditError(f"{path.name} has {size / 1e6:.0f} MB, no direction has more than {LARGEST_BYTES / 1e6:.0f}")


def numbers(tensor: Tensor, what: str) -> Tensor:
    """The same numbers in float32.

    Raises:
        EditError: Not real numbers, or NaN or infinite ones.
    """
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise EditError(f"{what} must hold plain numbers, got a {tensor.layout} tensor on {tensor.device}")
    if tensor.dtype.is_complex or tensor.dtype == torch.bool:
        raise EditError(f"{what} must hold real numbers, got {tensor.dtype}")
    values = tensor.detach().float().contiguous()
    if not torch.isfinite(values).all():
        raise EditError(f"{what} holds NaN or infinite numbers: the file is damaged")
    return values


def named(content: Mapping[Any, Any]) -> str:
    """The keys of a dictionary, for an error's text."""
    return ", ".join(repr(str(key)[:30]) for key in list(content)[:8]) or "nothing in it"


def _read_npy(path: Path) -> Tensor:
    try:
        # Mapped: a header that promises more than the file holds is refused, and nothing is allocated for it.
        array = np.lib.format.open_memmap(path, mode="r")
        if array.dtype.kind not in "fiu":
            raise EditError(f"{path.name} must hold real numbers, got {str(array.dtype)[:60]}")
        with np.errstate(over="ignore"):  # too large a double becomes infinite and is refused as that
            return torch.from_numpy(array.astype(np.float32, order="C"))
    except EditError:
        raise
    except Exception as error:  # the header is foreign text: its parsers fail in many ways
        if "object" in str(error).lower():
            raise EditError(
                f"{path.name} holds Python objects, not numbers, which is how some StyleGAN1 tools saved theirs: "
                "reading it would run code. Save the direction anew as a plain float array"
            ) from error
        raise EditError(f"{path.name} is no .npy file or a damaged one ({_short(error)})") from error


def _read_torch(path: Path) -> Tensor | Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle is a program: a foreign one fails in any way it likes
        raise EditError(
            f"{path.name} cannot be read as tensors alone ({_short(error)}): it is damaged, or holds objects that "
            "would run code. Save the direction's tensor alone"
        ) from error
    if isinstance(content, Tensor | Mapping):
        return content
    raise EditError(f"{path.name} must hold a tensor or GANSpace's dictionary, got {type(content).__name__}")


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
