"""What a dataset of portraits consists of, and what each seed of it shows."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from oodinv.portraits.accessories import SPLITS, Split, designs_of, kinds_of
from oodinv.portraits.backgrounds import BackgroundKind
from oodinv.portraits.counterfactuals import parse_counterfactual
from oodinv.portraits.errors import PortraitsError

SPLIT_SEEDS: dict[str, range] = {
    "train": range(0, 2_000_000),
    "test": range(2_000_000, 3_000_000),
    "val": range(3_000_000, 4_000_000),
}
"""Seeds of each split; examples have seeds from 9,000,000."""
PHOTO_SIDES_PER_CROP = 1.75
"""Side of the rendered photo in crop sides: a crop then has about as many pixels as the photo under it."""
_SMALLEST_CROP = 16


def _check_splits() -> None:
    """Two splits that share a seed would be found by nobody later."""
    ordered = sorted((SPLIT_SEEDS[split] for split in SPLITS), key=lambda seeds: seeds.start)
    assert all(a.stop <= b.start for a, b in pairwise(ordered)), SPLIT_SEEDS


_check_splits()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What determines the content of a dataset.

    Raises:
        PortraitsError: A number is out of range, or the split has no accessory of a kind.
    """

    split: Split
    count: int
    """Seeds rendered; those without a found face are left out."""
    start: int = 0
    """The first of them, counted from the start of the split."""
    crop_size: int = 256
    accessory_share: float = 0.5
    """Share of portraits with an accessory."""
    busy_share: float = 0.5
    """Share of portraits before a busy background."""
    kinds: tuple[str, ...] = ()
    """Accessories to draw from, evenly; empty: all that the split has."""
    counterfactuals: tuple[str, ...] = ()
    """Such as ``smile+2``: what is rendered beside each portrait."""

    def __post_init__(self):
        if self.split not in SPLITS:
            raise PortraitsError(f"expected a split among {', '.join(SPLITS)}; got {self.split!r}")
        most = len(SPLIT_SEEDS[self.split])
        if self.count < 1 or self.start < 0 or self.start + self.count > most:
            raise PortraitsError(
                f"the split {self.split!r} has {most} seeds, counted from 0: expected count >= 1 and start >= 0 within "
                f"them, got count {self.count} and start {self.start}"
            )
        if self.crop_size < _SMALLEST_CROP:
            raise PortraitsError(f"a crop needs a size of at least {_SMALLEST_CROP} pixels, got {self.crop_size}")
        known = kinds_of(self.split)
        unknown = [kind for kind in self.kinds if kind not in known]
        if unknown:
            raise PortraitsError(f"expected kinds of the split {self.split!r}, {', '.join(known)}; got {unknown}")
        for name in ("accessory_share", "busy_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise PortraitsError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in self.counterfactuals:
            parse_counterfactual(name)

    @property
    def seeds(self) -> range:
        """The seeds that are rendered."""
        first = SPLIT_SEEDS[self.split].start + self.start
        return range(first, first + self.count)

    @property
    def photo_size(self) -> int:
        """Side of the rendered photos, pixels."""
        return round(self.crop_size * PHOTO_SIDES_PER_CROP)

    def as_json(self) -> dict[str, Any]:
        """As it is written beside the shards."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a seed shows beside the person."""

    kind: str | None
    design: str | None
    background: BackgroundKind


def draw_scene(recipe: Recipe, seed: int) -> Scene:
    """Accessory (None for none) and background of a seed; neighbours do not influence each other."""
    rng = np.random.default_rng([seed, 3])
    wears, behind, which, form = rng.random(4)
    background: BackgroundKind = "busy" if behind < recipe.busy_share else "plain"
    if wears >= recipe.accessory_share:
        return Scene(kind=None, design=None, background=background)
    kinds = recipe.kinds or kinds_of(recipe.split)
    designs = designs_of(kinds[int(which * len(kinds))], recipe.split)
    design = designs[int(form * len(designs))]
    return Scene(kind=design.kind, design=design.name, background=background)
