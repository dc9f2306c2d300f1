"""What every training loop shares: resumable state, a log of JSON lines, grids to look at, moving averages."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn


class Run:
    """A folder with `state.pt` (all that is needed to go on), `log.jsonl` and grids."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state so that a kill at any moment leaves the old or the new one whole."""
        temporary = self.folder / "state.pt.tmp"
        torch.save(dict(state), temporary)
        os.replace(temporary, self.folder / "state.pt")

    def load(self) -> dict[str, Any] | None:
        """The last state, or None at the beginning."""
        path = self.folder / "state.pt"
        return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None

    def log(self, **values: float | int | str) -> None:
        """Append one line, with the time."""
        line = json.dumps({"time": round(time.time(), 1), **values})
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def grid(self, name: str, rows: list[Float[Tensor, "batch _ size size"]], zoom: int = 1) -> None:
        """Write rows of images in [-1, 1] as one PNG; one-channel rows are masks in [0, 1]."""
        strips = []
        for row in rows:
            row = row.detach().float().cpu()
            if row.shape[1] == 1:
                row = row.expand(-1, 3, -1, -1) * 2 - 1
            strips.append(torch.cat(list(row), dim=2))
        sheet = torch.cat(strips, dim=1).clamp(-1, 1)
        pixels = ((sheet + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST).save(
            self.folder / f"{name}.png"
        )


def average_into(target: nn.Module, source: nn.Module, decay: float) -> None:
    """Move the target's parameters towards the source's; copy its buffers."""
    with torch.no_grad():
        for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
            ours.lerp_(theirs, 1 - decay)
        for kept, copied in zip(target.buffers(), source.buffers(), strict=True):
            kept.copy_(copied)


def channels_last(network: nn.Module) -> None:
    """Store the weights channels last: about 1.5 times as fast on a CPU."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
