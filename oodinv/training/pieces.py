"""Tensors in safetensors files of limited size, bit for bit, with the layout they have in memory.

The layout matters to a resumed run: the same sums over another layout may round differently.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

PIECE_BYTES = 16 * 2**20
"""Of a file at most."""

_ENTRY_BYTES = 160
"""Of a tensor in a safetensors header at most, with names as short as ours."""


@dataclass
class _Piece:
    tensors: dict[str, Tensor] = field(default_factory=dict)
    size: int = _ENTRY_BYTES


def pieces_of(tensors: Mapping[str, Tensor], table: dict[str, Any], limit: int = PIECE_BYTES) -> Iterator[bytes]:
    """Files that hold the tensors, one after the other; larger tensors are cut.

    Args:
        tensors: By key, on any device.
        table: Filled with what `from_pieces` needs: shape, layout, and where the parts lie.
        limit: Of a file, in bytes.
    """
    piece, number = _Piece(), 0
    for key, tensor in tensors.items():
        flat, channels_last = _flat(tensor)
        parts: list[list[Any]] = []
        table[key] = {"shape": list(tensor.shape), "channels_last": channels_last, "parts": parts}
        start, width = 0, flat.element_size()
        while start < len(flat) or not parts:
            room = (limit - piece.size - _ENTRY_BYTES) // width
            if room <= 0:
                yield safetensors.torch.save(piece.tensors)
                piece, number = _Piece(), number + 1
                continue
            part = flat[start : start + room]
            name = str(len(piece.tensors))
            piece.tensors[name] = part.cpu().clone()
            piece.size += part.numel() * width + _ENTRY_BYTES
            parts.append([number, name])
            start += room
    if piece.tensors:
        yield safetensors.torch.save(piece.tensors)


def from_pieces(files: list[bytes], table: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of `pieces_of`.

    Raises:
        KeyError, IndexError, RuntimeError, ValueError: Files and table do not belong together.
    """
    loaded = [safetensors.torch.load(file) for file in files]
    return {
        key: _shaped(torch.cat([loaded[number][name] for number, name in entry["parts"]]), entry)
        for key, entry in table.items()
    }


def _flat(tensor: Tensor) -> tuple[Tensor, bool]:
    last = tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
    return (tensor.permute(0, 2, 3, 1) if last else tensor).reshape(-1), last


def _shaped(flat: Tensor, entry: Mapping[str, Any]) -> Tensor:
    shape = [int(side) for side in entry["shape"]]
    if flat.numel() != math.prod(shape):
        raise ValueError(f"expected {math.prod(shape)} numbers for shape {shape}, got {flat.numel()}")
    if entry["channels_last"]:
        batch, channel, height, width = shape
        return flat.view(batch, height, width, channel).permute(0, 3, 1, 2)
    return flat.view(shape)
