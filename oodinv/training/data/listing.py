"""What a folder holds, before any picture is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oodinv.training.data.pieces import Piece


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A counterfactual: the same portrait with one attribute moved."""

    crop: Piece
    accessory: Piece | None = None
    silhouette: Piece | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    amount: float | None = None
    """How far it really moved, in standard deviations; None where the folder does not tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One sample: where its pictures lie and what is known about it."""

    name: str
    """For messages: the path within the folder, and the key within a shard."""
    file: str
    """Path within the folder of the file that holds it."""
    crop: Piece
    accessory: Piece | None = None
    silhouette: Piece | None = None
    seed: int | None = None
    kind: str = ""
    design: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    params: tuple[float, ...] | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None
    """In crop pixels."""
    changed: Mapping[str, Changed] = field(default_factory=dict)

    @property
    def pieces(self) -> tuple[Piece | None, Piece | None, Piece | None]:
        """Crop, accessory mask, silhouette."""
        return self.crop, self.accessory, self.silhouette


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All samples of a folder."""

    folder: Path
    records: tuple[Record, ...] = field(repr=False)
    has_masks: bool
    crop_size: int | None = None
    """Side of the crops where the folder says it; in these pixels landmarks are given."""
    parameter_names: tuple[str, ...] = ()
    split: str = ""
    """Of rendered portraits: train, val or test."""
