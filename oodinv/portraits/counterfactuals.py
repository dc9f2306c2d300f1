"""The same head with one attribute moved: what an edit of that attribute should have made of it."""

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.params import PortraitParams, labels
from oodinv.portraits.sampling import sample_params

# The parameter behind each attribute, and the range in which portraits look plausible.
_ATTRIBUTES: dict[str, tuple[str, float, float]] = {
    "smile": ("smile", -0.4, 1.1),
    "age": ("age", 0.5, 1.0),
    "gender": ("gender", 0.0, 1.0),
    "yaw": ("yaw", -40.0, 40.0),
    "mouth_open": ("jaw_open", 0.0, 0.8),
}
COUNTERFACTUAL_ATTRIBUTES: tuple[str, ...] = tuple(_ATTRIBUTES)
_TRAINING_SEEDS = 1_000
"""Portraits from which a label's standard deviation is taken: the first of the training split."""


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """A changed portrait and what the change came to."""

    params: PortraitParams
    difference: float
    """Of the attribute's label, in its own unit; smaller than asked where the range ends."""
    amount: float
    """The same in standard deviations of the label among training portraits."""


def counterfactual(params: PortraitParams, name: str, amount: float) -> Counterfactual:
    """Move one attribute of a portrait and nothing else.

    Everything that was drawn with the attribute in mind (hair, beard, grey, make-up) stays: only the attribute's own
    parameter changes. Rendered with the same seed, accessory and background, the rest of the picture is the same.

    Args:
        params: The portrait.
        name: One of `COUNTERFACTUAL_ATTRIBUTES`.
        amount: How far, in standard deviations of the label ``name`` among training portraits.

    Raises:
        PortraitsError: There is no such attribute, or the amount is not a number.
    """
    if name not in _ATTRIBUTES:
        raise PortraitsError(f"unknown attribute {name!r}: expected one of {', '.join(_ATTRIBUTES)}")
    if not np.isfinite(amount):
        raise PortraitsError(f"expected a number of standard deviations for {name}, got {amount}")
    field, low, high = _ATTRIBUTES[name]
    deviation = label_deviation(name)
    before = labels(params)[name]
    value = _value_with_label(params, field, name, before + amount * deviation, (low, high))
    moved = _with(params, field, value)
    difference = float(labels(moved)[name] - before)
    return Counterfactual(params=moved, difference=difference, amount=difference / deviation)


def parse_counterfactual(text: str) -> tuple[str, float]:
    """``smile+2`` as attribute and amount.

    Raises:
        PortraitsError: It is not of that form.
    """
    match = re.fullmatch(r"([a-z_]+)([+-]\d{1,2}(?:\.\d{1,2})?)", text)
    if match is None or match[1] not in _ATTRIBUTES or float(match[2]) == 0:
        raise PortraitsError(
            f"expected a counterfactual such as smile+2, yaw-1 or age+1.5, of {', '.join(_ATTRIBUTES)}; got {text!r}"
        )
    return match[1], float(match[2])


@cache
def label_deviation(name: str) -> float:
    """Standard deviation of a label among training portraits, in its own unit."""
    return float(np.std([values[name] for values in _training_labels()]))


@lru_cache(maxsize=1)
def _training_labels() -> tuple[dict[str, float], ...]:
    return tuple(dict(labels(sample_params(seed))) for seed in range(_TRAINING_SEEDS))


def _with(params: PortraitParams, field: str, value: float) -> PortraitParams:
    change: dict[str, Any] = {field: value}
    return replace(params, **change)


def _value_with_label(
    params: PortraitParams, field: str, name: str, wanted: float, limits: tuple[float, float]
) -> float:
    """The parameter's value at which its label, which rises with it, is the wanted one; clipped to the limits."""
    now = getattr(params, field)
    low, high = min(limits[0], now), max(limits[1], now)

    def label(value: float) -> float:
        return labels(_with(params, field, value))[name]

    if wanted <= label(low):
        return low
    if wanted >= label(high):
        return high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if label(middle) < wanted else (low, middle)
    return (low + high) / 2
