"""A pack: aligned crops with masks, parameters and labels, as arrays in a folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Crops and what is known about them. All arrays share the first axis."""

    crops: UInt8[np.ndarray, "count 3 size size"] = field(repr=False)
    accessory: UInt8[np.ndarray, "count size size"] = field(repr=False)
    """Coverage by an accessory, 255 = all."""
    silhouette: UInt8[np.ndarray, "count size size"] = field(repr=False)
    """Coverage by the person (head, hair, body)."""
    params: Float32[np.ndarray, "count parameters"] = field(repr=False)
    labels: dict[str, np.ndarray] = field(repr=False)
    kinds: list[str]
    """Accessory of each crop, empty = none."""

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return int(self.crops.shape[-1])

    def head(self, count: int) -> "Pack":
        """The first crops."""
        return Pack(
            crops=self.crops[:count],
            accessory=self.accessory[:count],
            silhouette=self.silhouette[:count],
            params=self.params[:count],
            labels={name: values[:count] for name, values in self.labels.items()},
            kinds=self.kinds[:count],
        )


def load_pack(folders: Sequence[Path]) -> Pack:
    """Read one or several packs and join them.

    Raises:
        ValueError: There are none, or their crops have different sizes.
    """
    if not folders:
        raise ValueError("no pack given: pass at least one folder written by oodinv.portraits.pack")
    return join_packs([_load_one(folder) for folder in folders])


def join_packs(parts: Sequence[Pack]) -> Pack:
    """One pack after the other.

    Raises:
        ValueError: Their crops have different sizes.
    """
    sizes = {part.size for part in parts}
    if len(sizes) > 1:
        raise ValueError(f"packs of one crop size can be joined, got sizes {sorted(sizes)}")
    return Pack(
        crops=np.concatenate([p.crops for p in parts]),
        accessory=np.concatenate([p.accessory for p in parts]),
        silhouette=np.concatenate([p.silhouette for p in parts]),
        params=np.concatenate([p.params for p in parts]),
        labels={name: np.concatenate([p.labels[name] for p in parts]) for name in parts[0].labels},
        kinds=[kind for p in parts for kind in p.kinds],
    )


def _load_one(folder: Path) -> Pack:
    with np.load(folder / "labels.npz", allow_pickle=False) as labels:
        named = {name: labels[name] for name in labels.files}
    return Pack(
        crops=np.load(folder / "crops.npy"),
        accessory=np.load(folder / "accessory.npy"),
        silhouette=np.load(folder / "silhouette.npy"),
        params=np.load(folder / "params.npy"),
        labels=named,
        kinds=[kind or "" for kind in json.loads((folder / "kinds.json").read_text())],
    )


def pick(step: int, batch: int, count: int, *, seed: int) -> np.ndarray:
    """Indices of a step's batch; a function of the step alone, so that a resumed run draws the same."""
    return np.random.default_rng([seed, step]).integers(count, size=batch)


def images(pack: Pack, index: np.ndarray, size: int) -> Float[Tensor, "batch 3 {size} {size}"]:
    """Crops as float32 in [-1, 1], area-averaged to `size`, channels last."""
    x = torch.from_numpy(pack.crops[index]).float() / 127.5 - 1
    return _resize(x, size).contiguous(memory_format=torch.channels_last)


def masks(array: np.ndarray, index: np.ndarray, size: int) -> Float[Tensor, "batch 1 {size} {size}"]:
    """A coverage array as float32 in [0, 1], area-averaged to `size`."""
    return _resize(torch.from_numpy(array[index]).float()[:, None] / 255, size)


def out_of_domain(pack: Pack, index: np.ndarray, size: int) -> Float[Tensor, "batch 1 {size} {size}"]:
    """The true mask: accessory or background (not the person)."""
    accessory = masks(pack.accessory, index, size)
    background = 1 - masks(pack.silhouette, index, size)
    return torch.maximum(accessory, background)


def _resize(x: Tensor, size: int) -> Tensor:
    return x if x.shape[-1] == size else F.adaptive_avg_pool2d(x, size)
