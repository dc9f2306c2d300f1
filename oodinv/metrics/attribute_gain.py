"""What an edit does to attributes: the gain of its own, the leakage into others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True)
class AttributeGain:
    """Slopes of attributes over strength, in standard deviations per unit."""

    edits: tuple[str, ...]
    attributes: tuple[str, ...]
    slopes: Float[np.ndarray, "edits attributes"]

    def gain(self, edit: str) -> float:
        """Of the edit's own attribute; NaN where it is not measured."""
        if edit not in self.attributes:
            return float("nan")
        return float(self.slopes[self.edits.index(edit), self.attributes.index(edit)])

    def leakage(self, edit: str) -> float:
        """Mean |slope| of all other attributes over the gain: 0 = only what was asked for; NaN without a gain."""
        own = abs(self.gain(edit))
        others = [name != edit for name in self.attributes]
        if not own > 0 or not any(others):
            return float("nan")
        return float(np.abs(self.slopes[self.edits.index(edit), others]).mean() / own)


def slope(
    before: Float[np.ndarray, "count attributes"],
    after: Float[np.ndarray, "strengths count attributes"],
    strengths: Float[np.ndarray, " strengths"],
) -> Float[np.ndarray, " attributes"]:
    """Least-squares slope through zero of the mean change over strength.

    Args:
        before: Predicted attributes of the unedited faces, standardised.
        after: Of the same faces edited at each strength.
        strengths: None of them 0.

    Raises:
        ValueError: There are no strengths, or one is 0.
    """
    if not len(strengths) or (strengths == 0).any():
        raise ValueError(f"a slope needs strengths other than 0, got {strengths.tolist()}")
    change = (after - before).mean(axis=1)
    return strengths @ change / float(strengths @ strengths)
