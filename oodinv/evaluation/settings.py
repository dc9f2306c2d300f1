"""What is measured and on how much."""

import math
from dataclasses import dataclass
from typing import Literal

from oodinv.bundles.inverter import Preset
from oodinv.evaluation.errors import EvaluationError
from oodinv.models.decomposition import Composition

Part = Literal["reconstruction", "edits", "attributes", "generator"]
PARTS: tuple[Part, ...] = ("reconstruction", "edits", "attributes", "generator")
COMPOSITIONS: tuple[Composition, ...] = ("reuse", "repredict", "minimum", "follow")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an evaluation is done; all of it stands in the protocol."""

    parts: tuple[Part, ...] = PARTS
    """`reconstruction` measures the masks as well."""

    count: int | None = None
    """The first so many samples of each dataset; None = all."""

    edit_count: int = 100
    """Samples for edits, which take several pictures each."""

    generator_count: int = 500
    """Pictures drawn, and as many crops, for distances between sets."""

    batch: int = 16

    preset: Preset = "full"

    composition: Composition | None = None
    """For attributes and for edits put back into the photo; None = each bundle's own."""

    strengths: tuple[float, ...] = (-2.0, -1.0, 1.0, 2.0)
    """Of edits whose attributes are predicted."""

    scales: tuple[int, ...] = (1, 2, 4)
    """Sides of the photo, in crop sides, at which `replace` and `residual` are compared."""

    seed: int = 0
    """Of drawn pictures, patches and projections."""

    device: str = "cpu"

    def __post_init__(self):
        """Refuse what cannot be measured."""
        for name in ("edit_count", "generator_count", "batch"):
            if getattr(self, name) < 1:
                raise EvaluationError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.count is not None and self.count < 1:
            raise EvaluationError(f"count must be at least 1, got {self.count}")
        if 0 in self.strengths or len(set(self.strengths)) != len(self.strengths):
            raise EvaluationError(f"strengths must differ from 0 and from each other, got {list(self.strengths)}")
        if not self.strengths or not all(map(math.isfinite, self.strengths)):
            raise EvaluationError(f"strengths must be numbers, at least one, got {list(self.strengths)}")
        if any(scale < 1 for scale in self.scales) or len(set(self.scales)) != len(self.scales):
            raise EvaluationError(f"scales must be at least 1 and differ from each other, got {list(self.scales)}")
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or not self.parts:
            raise EvaluationError(f"parts must be some of {', '.join(PARTS)}, got {unknown or 'none'}")
