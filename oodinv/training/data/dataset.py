"""A dataset in memory's terms: crops, masks and labels by index, wherever the pixels lie."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int, Integer, UInt8
from torch import Tensor

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.pictures import Pictures, StoredPictures

Index = Integer[np.ndarray, " batch"]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A sample that a dataset does not use."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """The same portraits with one attribute moved, a row each."""

    crops: Pictures = field(repr=False)
    accessory: Pictures = field(repr=False)
    silhouette: Pictures = field(repr=False)
    labels: dict[str, Float32[np.ndarray, " rows"]] = field(repr=False)
    """After the change."""
    amounts: Float32[np.ndarray, " rows"] = field(repr=False)
    """How far it really went, in standard deviations of the label; NaN = not told."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Aligned crops and what is known about them.

    Convention:
        Crops are float32 RGB in [-1, 1], masks float32 in [0, 1], both averaged over areas down to the size asked
        for (`size` where none is), channels last in memory. ``accessory`` is 1 where an accessory is seen,
        ``silhouette`` 1 on the person, hair and clothes included.
    """

    size: int
    """Side of the crops in pixels."""
    rows: Int[np.ndarray, " count"] = field(repr=False)
    """Where each sample lies in the pictures; the facts below are in the order of the samples."""
    crop_pictures: Pictures = field(repr=False)
    accessory_pictures: Pictures | None = field(repr=False)
    silhouette_pictures: Pictures | None = field(repr=False)
    changed: dict[str, Counterfactual] = field(repr=False)
    params: Float32[np.ndarray, "count parameters"] | None = field(repr=False)
    """What a portrait was rendered from; None for photos."""
    parameter_names: tuple[str, ...] = field(repr=False)
    labels: dict[str, Float32[np.ndarray, " count"]] = field(repr=False)
    kinds: list[str] = field(repr=False)
    """Accessory of each crop, empty = none."""
    designs: list[str] = field(repr=False)
    """Which form of its kind the accessory has, empty = none."""
    landmarks: Float32[np.ndarray, "count 68 xy=2"] | None = field(repr=False)
    """iBUG order, in pixels of a crop of `size`, pixel centres at +0.5."""
    seeds: Int[np.ndarray, " count"] = field(repr=False)
    """Of rendered portraits; -1 for photos."""
    hashes: list[str] = field(repr=False)
    """Of each crop's content."""
    left_out: tuple[LeftOut, ...] = ()
    """Broken and duplicate samples."""
    origin: str = ""
    """The folder it was opened from, for messages."""
    splits: tuple[str, ...] = ()
    """Of rendered portraits, which of train, val and test these are."""
    dropped: dict[str, str] = field(default_factory=dict, repr=False)
    """Facts that only some samples have, and that are therefore known of none here: which samples lack them."""

    @classmethod
    def from_arrays(
        cls,
        *,
        crops: UInt8[np.ndarray, "count 3 size size"],
        accessory: UInt8[np.ndarray, "count size size"] | None = None,
        silhouette: UInt8[np.ndarray, "count size size"] | None = None,
        params: np.ndarray | None = None,
        parameter_names: Sequence[str] | None = None,
        labels: Mapping[str, np.ndarray] | None = None,
        kinds: Sequence[str] | None = None,
        designs: Sequence[str] | None = None,
        landmarks: np.ndarray | None = None,
        seeds: np.ndarray | None = None,
        counterfactuals: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, Mapping[str, np.ndarray]]]
        | None = None,
        amounts: Mapping[str, np.ndarray] | None = None,
    ) -> "Dataset":
        """A dataset that lies in memory.

        Args:
            crops: RGB.
            accessory: Coverage by an accessory, 255 = all; with ``silhouette`` or not at all.
            silhouette: Coverage by the person.
            params: One row of parameters per crop.
            parameter_names: Of its columns; numbered where not given.
            labels: A number per crop, by name.
            kinds: Accessory of each crop; empty = none.
            designs: Form of each accessory.
            landmarks: ``[count, 68, 2]`` in crop pixels.
            seeds: Of each crop.
            counterfactuals: By name, crops, accessory masks, silhouettes and labels after the change.
            amounts: By counterfactual, how far each sample really moved, see `counterfactual_amounts`.

        Raises:
            DatasetError: One mask is given without the other.
        """
        if (accessory is None) != (silhouette is None):
            raise DatasetError("masks come in pairs: expected both accessory and silhouette, or neither")
        count = len(crops)
        if params is not None and parameter_names is None:
            parameter_names = [f"p{number}" for number in range(params.shape[1])]
        return cls(
            size=int(crops.shape[-1]),
            rows=np.arange(count),
            crop_pictures=StoredPictures(pixels=crops),
            accessory_pictures=None if accessory is None else StoredPictures(pixels=accessory[:, None]),
            silhouette_pictures=None if silhouette is None else StoredPictures(pixels=silhouette[:, None]),
            changed={
                name: Counterfactual(
                    crops=StoredPictures(pixels=moved),
                    accessory=StoredPictures(pixels=covered[:, None]),
                    silhouette=StoredPictures(pixels=person[:, None]),
                    labels=_columns(told),
                    amounts=np.asarray((amounts or {}).get(name, np.full(count, np.nan)), dtype=np.float32),
                )
                for name, (moved, covered, person, told) in (counterfactuals or {}).items()
            },
            params=None if params is None else params.astype(np.float32),
            parameter_names=tuple(parameter_names or ()),
            labels=_columns(labels or {}),
            kinds=list(kinds) if kinds is not None else [""] * count,
            designs=list(designs) if designs is not None else [""] * count,
            landmarks=None if landmarks is None else landmarks.astype(np.float32),
            seeds=np.full(count, -1) if seeds is None else seeds.astype(np.int64),
            hashes=[hashlib.sha256(crop.tobytes()).hexdigest()[:32] for crop in crops],
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def has_masks(self) -> bool:
        """Whether the true masks are known; of photos they are not."""
        return self.accessory_pictures is not None

    @property
    def counterfactual_names(self) -> tuple[str, ...]:
        """Such as ``smile+2``: the attribute and how many standard deviations it moves."""
        return tuple(self.changed)

    def crops(self, index: Index, size: int | None = None) -> Float[Tensor, "batch 3 _ _"]:
        """Some crops.

        Args:
            index: Which samples.
            size: Side in pixels, at most `size` of the dataset, which is the default.
        """
        return _as_crops(self.crop_pictures.read(self.rows[index]), size or self.size)

    def accessory(self, index: Index, size: int | None = None) -> Float[Tensor, "batch 1 _ _"]:
        """Coverage by an accessory.

        Raises:
            DatasetError: The dataset has no masks.
        """
        return _as_masks(self._masked(self.accessory_pictures).read(self.rows[index]), size or self.size)

    def silhouette(self, index: Index, size: int | None = None) -> Float[Tensor, "batch 1 _ _"]:
        """Coverage by the person.

        Raises:
            DatasetError: The dataset has no masks.
        """
        return _as_masks(self._masked(self.silhouette_pictures).read(self.rows[index]), size or self.size)

    def out_of_domain(self, index: Index, size: int | None = None) -> Float[Tensor, "batch 1 _ _"]:
        """The true mask: accessory or background (not the person).

        Raises:
            DatasetError: The dataset has no masks.
        """
        return torch.maximum(self.accessory(index, size), 1 - self.silhouette(index, size))

    def counterfactual(
        self, name: str, index: Index, size: int | None = None
    ) -> tuple[Float[Tensor, "batch 3 _ _"], Float[Tensor, "batch 1 _ _"], Float[Tensor, "batch 1 _ _"]]:
        """The same portraits with one attribute moved, cut out by the same transform.

        Returns:
            Crops, accessory masks and silhouettes after the change.

        Raises:
            DatasetError: The dataset has none of this name.
        """
        found, rows, size = self._changed(name), self.rows[index], size or self.size
        return (
            _as_crops(found.crops.read(rows), size),
            _as_masks(found.accessory.read(rows), size),
            _as_masks(found.silhouette.read(rows), size),
        )

    def counterfactual_labels(self, name: str) -> dict[str, Float32[np.ndarray, " count"]]:
        """Labels of all samples after a change; values are clipped to what is plausible, so differences vary.

        Raises:
            DatasetError: The dataset has no counterfactual of this name.
        """
        return {label: values[self.rows] for label, values in self._changed(name).labels.items()}

    def counterfactual_amounts(self, name: str) -> Float32[np.ndarray, " count"]:
        """How far each sample really moved, in standard deviations of the label among training portraits.

        Smaller than the name says where the plausible range ends, 0 where nothing moved; NaN where it is not told.

        Raises:
            DatasetError: The dataset has no counterfactual of this name.
        """
        return self._changed(name).amounts[self.rows]

    def subset(self, index: Index | slice) -> "Dataset":
        """Some samples, in the order asked for; pixels are shared."""
        where = np.arange(len(self))[index]
        return replace(
            self,
            rows=self.rows[where],
            params=None if self.params is None else self.params[where],
            labels={name: values[where] for name, values in self.labels.items()},
            kinds=[self.kinds[i] for i in where],
            designs=[self.designs[i] for i in where],
            landmarks=None if self.landmarks is None else self.landmarks[where],
            seeds=self.seeds[where],
            hashes=[self.hashes[i] for i in where],
        )

    def _masked(self, pictures: Pictures | None) -> Pictures:
        if pictures is None:
            raise DatasetError(
                "these crops have no true masks, which photos never have: use portraits written by "
                "`oodinv portraits render`, or the terms that need no masks"
            )
        return pictures

    def _changed(self, name: str) -> Counterfactual:
        if name not in self.changed:
            raise DatasetError(
                f"no counterfactual {name!r}: this dataset has {', '.join(self.changed) or 'none'}; "
                "render it with `--counterfactuals`"
            )
        return self.changed[name]


def _columns(labels: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, dtype=np.float32) for name, values in labels.items()}


def _as_crops(pixels: UInt8[np.ndarray, "batch 3 size size"], size: int) -> Float[Tensor, "batch 3 _ _"]:
    crops = _resize(torch.from_numpy(pixels).float() / 127.5 - 1, size)
    return crops.contiguous(memory_format=torch.channels_last)


def _as_masks(pixels: UInt8[np.ndarray, "batch 1 size size"], size: int) -> Float[Tensor, "batch 1 _ _"]:
    return _resize(torch.from_numpy(pixels).float() / 255, size)


def _resize(x: Tensor, size: int) -> Tensor:
    if size > x.shape[-1]:
        raise DatasetError(f"crops of {x.shape[-1]} pixels are not enlarged to {size}: open the dataset at that size")
    return x if x.shape[-1] == size else F.adaptive_avg_pool2d(x, size)
