"""What a pack of portraits consists of, and what each seed of it shows."""

from dataclasses import dataclass

import numpy as np

from oodinv.portraits.accessories import HELD_OUT_KINDS, TRAINING_KINDS
from oodinv.portraits.backgrounds import BackgroundKind


@dataclass(frozen=True, kw_only=True)
class PackRecipe:
    """What determines the content of a pack."""

    count: int
    """Seeds rendered; those without a found face are left out of the pack."""
    first_seed: int
    crop_size: int
    kinds: tuple[str, ...]
    accessory_share: float
    background_share_busy: float

    def __post_init__(self):
        if self.count < 1 or self.first_seed < 0 or self.crop_size < 16:
            raise ValueError(
                "a pack needs count >= 1, first_seed >= 0 and crop_size >= 16, "
                f"got {self.count}, {self.first_seed}, {self.crop_size}"
            )
        known = TRAINING_KINDS + HELD_OUT_KINDS
        unknown = [kind for kind in self.kinds if kind not in known]
        if unknown or (self.accessory_share > 0 and not self.kinds):
            raise ValueError(f"expected accessory kinds from {', '.join(known)}; got {unknown or 'none'}")
        for name in ("accessory_share", "background_share_busy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")

    @property
    def seeds(self) -> range:
        """The seeds that are rendered."""
        return range(self.first_seed, self.first_seed + self.count)


def draw_scene(recipe: PackRecipe, seed: int) -> tuple[str | None, BackgroundKind]:
    """Accessory kind (None for none) and background of a seed; neighbours do not influence each other."""
    rng = np.random.default_rng([seed, 3])
    wears, behind, which = rng.random(), rng.random(), rng.random()
    kind = recipe.kinds[int(which * len(recipe.kinds))] if wears < recipe.accessory_share else None
    return kind, "busy" if behind < recipe.background_share_busy else "plain"
