"""What stands between a configuration and a training that runs: inputs, and what the loop is given."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError
from oodinv.training.loop import Trainer


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a training needs beside its pictures."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folders: Mapping[str, Path] = field(default_factory=dict)
    """By name ("generator", "encoder", …), folders of trainings that have ended, or bundles."""

    def folder(self, name: str) -> Path:
        """The folder of an input.

        Raises:
            TrainingError: It was not given.
        """
        if name not in self.folders:
            raise TrainingError(
                f"this training needs a trained {name}: expected --input {name}=DIR, got "
                f"{', '.join(self.folders) or 'no inputs'}"
            )
        return self.folders[name]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A training that is ready to run."""

    trainer: Trainer
    steps: int
    write: Callable[[Path], None]
    """Writes what was learned into a folder; called when all steps are done."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one kind is trained."""

    config: type
    """A frozen dataclass whose defaults are the recipe. `resolution(config)` pixels are read of the pictures."""
    build: Callable[[Any, Dataset, Inputs], Prepared]
    size: Callable[[Any, Inputs], int | None]
    """Side of the crops that a configuration and its inputs want; None = as the pictures are."""
    inputs: tuple[str, ...] = ()
    """Names of the inputs it may be given."""

    def check_inputs(self, given: Iterable[str]) -> None:
        """Refuse inputs that it would not look at.

        Raises:
            TrainingError: One has another name than those it takes.
        """
        unknown = sorted(set(given) - set(self.inputs))
        if unknown:
            raise TrainingError(
                f"this training has no input {', '.join(unknown)}: expected some of "
                f"{', '.join(self.inputs) or '(it takes none)'}"
            )
