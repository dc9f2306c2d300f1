"""A training that can be sent to another process: what to train, from what, where to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from oodinv.training import parallel
from oodinv.training.beginning import seen_before
from oodinv.training.data import Dataset, open_dataset
from oodinv.training.errors import TrainingError
from oodinv.training.loop import Listener, LoopOptions, TrainingResult, run_training
from oodinv.training.preparing import Inputs, Prepared
from oodinv.training.recipes import recipe
from oodinv.training.record import Record
from oodinv.training.seen import Seen, refuse_test


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training. `out` holds its state, and when it has ended what was learned."""

    kind: str
    config: Any
    """Of the kind's recipe."""
    data: tuple[Path, ...]
    out: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    """cpu, cuda, or auto = a GPU where there is one."""
    options: LoopOptions = LoopOptions()  # noqa: RUF009 (frozen)
    cache: Path | None = None
    """Folder for decoded crops; None = beside each dataset."""


def run_job(job: TrainingJob, listeners: Sequence[Listener] = ()) -> TrainingResult:
    """Run or resume a training in this process; when all steps are done, write what was learned.

    Raises:
        DatasetError: The pictures cannot be used.
        TrainingError: There is no such training, an input is missing, or configuration and pictures do not fit.
        Exception: See `run_training`.
    """
    chosen = recipe(job.kind)
    chosen.check_inputs(job.inputs)
    device = find_device(job.device)
    inputs = Inputs(device=device, folders=job.inputs)
    data = _opened(job, chosen.size(job.config, inputs))
    refuse_test(data)
    prepared = chosen.build(job.config, data, inputs)

    return run_training(
        prepared.trainer,
        steps=prepared.steps,
        folder=job.out,
        options=job.options,
        listeners=listeners,
        write=lambda folder: write_learned(
            folder, job.kind, job.config, data, prepared, begin=job.inputs.get(job.kind)
        ),
    )


def write_learned(
    folder: Path, kind: str, config: Any, data: Dataset, prepared: Prepared, *, begin: Path | None = None
) -> None:
    """Write what a training of all its steps has learned, what it and the one it began from have seen, how it went."""
    each = [Seen.of(data)] if begin is None else [Seen.of(data), seen_before(begin, kind)]
    known = [seen for seen in each if seen is not None]
    # This first: weights whose pictures are not known must not be there. Half of it would pass for the whole: where the
    # beginning does not tell what it has seen, neither does what became of it.
    if len(known) == len(each):
        Seen.together(known).write(folder, kind)
    Record(
        kind=kind,
        settings=Record.settings_of(config),
        fingerprint=prepared.trainer.fingerprint(),
        steps=prepared.steps,
    ).write(folder)
    prepared.write(folder)


def find_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        TrainingError: It is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda was asked for, and torch finds no GPU here: choose cpu, or auto")
    if name not in ("cpu", "cuda"):
        raise TrainingError(f"device must be auto, cpu or cuda, got {name!r}")
    return torch.device(name)


def _opened(job: TrainingJob, size: int | None) -> Dataset:
    """The pictures; of several processes the first one reads them through, the others find them read."""
    if parallel.rank() == 0:
        data = open_dataset(job.data, size=size, cache=job.cache, progress=job.options.progress)
    parallel.broadcast(None)
    return data if parallel.rank() == 0 else open_dataset(job.data, size=size, cache=job.cache, progress=False)
