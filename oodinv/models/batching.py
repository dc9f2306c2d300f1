"""Inversions of several crops taken apart, and put together to one batch."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from oodinv.models.inversion import Inversion


def split_inversion(inversion: Inversion) -> list[Inversion]:
    """One inversion, a batch of one, for each crop. They are views: the whole batch lives as long as any of them."""
    count = inversion.crop.shape[0]
    return [inversion] if count == 1 else [_item(inversion, index, count) for index in range(count)]


def join_inversions(inversions: Sequence[Inversion]) -> Inversion:
    """The batch of several inversions of one model, in their order; a single one is returned as it is.

    Raises:
        ValueError: There is none.
    """
    if not inversions:
        raise ValueError("expected at least one inversion, got none")
    return inversions[0] if len(inversions) == 1 else _joined(inversions)


def _item(value: Any, index: int, count: int) -> Any:
    """The part of one crop of whatever an inversion holds: tensors, by resolution or in records of their own."""
    if isinstance(value, Tensor):
        assert len(value) == count, f"a tensor of shape {tuple(value.shape)} among those of {count} crops"
        return value[index : index + 1]
    if isinstance(value, dict):
        return {key: _item(each, index, count) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _item(getattr(value, f.name), index, count) for f in fields(value)})
    assert value is None, f"{type(value).__name__} does not belong to a batch"
    return None


def _joined(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, dict):
        return {key: _joined([value[key] for value in values]) for key in first}
    if is_dataclass(first) and not isinstance(first, type):
        return replace(first, **{f.name: _joined([getattr(value, f.name) for value in values]) for f in fields(first)})
    assert first is None, f"{type(first).__name__} does not belong to a batch"
    return None
