"""Rows of images as one picture to look at."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor


def sheet_of(rows: Sequence[Float[Tensor, "_ _ _ _"]]) -> UInt8[np.ndarray, "height width 3"]:
    """Rows of images [-1, 1], or of masks [0, 1] with one channel, below each other.

    Smaller images are enlarged to the largest one's size by repeating pixels; shorter rows end in black.
    """
    size = max(row.shape[-1] for row in rows)
    strips = []
    for row in rows:
        row = row.detach().float().cpu()
        if row.shape[1] == 1:
            row = row.expand(-1, 3, -1, -1) * 2 - 1
        if row.shape[-1] != size:
            row = F.interpolate(row, size=(size, size), mode="nearest")
        strips.append(torch.cat(list(row), dim=2))
    width = max(strip.shape[2] for strip in strips)
    sheet = torch.cat([F.pad(strip, (0, width - strip.shape[2]), value=-1.0) for strip in strips], dim=1)
    pixels = ((sheet.nan_to_num(0.0).clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())


def write_sheet(path: Path, sheet: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        Image.fromarray(sheet).save(temporary, "PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
