"""The loop around every training: resume, save, log, show, stop.

A run that is killed at any moment and started again gives, on the same machine, bit for bit what an undisturbed run
gives: a step is a function of the state and of its number, and a checkpoint holds the whole state.
"""

import errno
import fcntl
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor
from tqdm import tqdm

from oodinv.training import parallel
from oodinv.training.checkpoint import CHECKPOINTS, Checkpoints
from oodinv.training.errors import (
    CheckpointError,
    DiskFull,
    FolderInUse,
    TrainingDiverged,
    TrainingError,
    TrainingStopped,
)
from oodinv.training.journal import Journal, Means
from oodinv.training.listening import Listener, Listeners
from oodinv.training.sheet import sheet_of, write_sheet
from oodinv.training.state_tree import State, take_apart
from oodinv.training.stopping import StopFile, stop_on_signals

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)
Outcome = Literal["finished", "out of time", "asked to stop"]


@runtime_checkable
class Trainer(Protocol):
    """One network's training."""

    @property
    def kind(self) -> str:
        """Such as "generator"; a checkpoint of another kind is refused."""

    def fingerprint(self) -> Mapping[str, Any]:
        """Configuration that a resumed run must share, as JSON."""

    def step(self, step: int) -> Mapping[str, float]:
        """Do all of a step and say its losses; all randomness is seeded by the step's number."""

    def state(self) -> State:
        """Everything the next step depends on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""

    def grid(self) -> Sequence[Tensor]:
        """Rows [batch, 1 or 3, size, size] to look at: images in [-1, 1], masks in [0, 1]. Changes nothing."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """When to do what; none of it changes what is trained."""

    save_every: int = 500
    log_every: int = 50
    grid_every: int = 500
    keep: int = 2
    """Checkpoints that stay."""
    seconds: float | None = None
    """Stop, with the state saved, when so many have passed; None = never."""
    progress: bool = True
    """A status line in the terminal."""

    def __post_init__(self):
        """Refuse what cannot be."""
        for name in ("save_every", "log_every", "grid_every", "keep"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seconds is not None and self.seconds <= 0:
            raise TrainingError(f"seconds must be above 0, got {self.seconds}")


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """How far a training came."""

    step: int
    """Steps done, of all runs together."""
    steps: int
    first_step: int
    """Where this run began."""
    outcome: Outcome
    checkpoint: Path
    seconds: float

    @property
    def finished(self) -> bool:
        """All steps are done."""
        return self.outcome == "finished"

    def check_finished(self) -> None:
        """Before half-trained weights are taken for trained ones.

        Raises:
            TrainingStopped: A signal, a file called `stop` or the time budget ended the training early.
        """
        if not self.finished:
            raise TrainingStopped(
                f"{self.outcome} after {self.step} of {self.steps} steps; the state is in {self.checkpoint}, and the "
                "same command goes on from there"
            )


def run_training(
    trainer: Trainer,
    *,
    steps: int,
    folder: Path,
    options: LoopOptions = LoopOptions(),
    listeners: Sequence[Listener] = (),
    write: Callable[[Path], None] | None = None,
) -> TrainingResult:
    """Train until `steps` are done, from where the folder's last checkpoint stands.

    Writes `checkpoints/`, `log.jsonl` and `grids/` into the folder. A file called `stop` in it has the same effect as a
    termination signal: the state is saved and the run ends. Under torch.distributed all processes call this
    with a folder they share; the first one writes.

    Args:
        trainer: What is trained; restored if the folder has a checkpoint.
        steps: Of all runs together.
        folder: Of this training and no other.
        options: When to save, log, show and stop.
        listeners: Are told what is logged and shown.
        write: Writes what was learned into the folder when all steps are done; by the first process, and before another
            training may begin in the folder.

    Returns:
        How far it came; the last state is saved.

    Raises:
        CheckpointError: The folder's checkpoint is damaged, or of another training.
        DiskFull: There was no room; the checkpoints saved before stay.
        FolderInUse: Another process trains in the folder.
        TrainingDiverged: A loss or weight is no finite number; the last good checkpoint stays.
        TrainingError: The folder cannot be written.
    """
    with _alone_in(folder), stop_on_signals() as wish:
        stop_file = StopFile()
        run = _Run(trainer, steps, folder, options, listeners)
        outcome = run.go(lambda: wish.asked or stop_file(folder))
        if outcome == "finished" and write is not None:
            run.write(write)
        return TrainingResult(
            step=run.done,
            steps=steps,
            first_step=run.first,
            outcome=outcome,
            checkpoint=run.saved or folder,
            seconds=time.monotonic() - run.begin,
        )


class _Run:
    def __init__(self, trainer: Trainer, steps: int, folder: Path, options: LoopOptions, listeners: Sequence[Listener]):
        self.begin = time.monotonic()
        self.trainer, self.steps, self.folder, self.options = trainer, steps, folder, options
        self.writes = parallel.rank() == 0
        self.listeners = Listeners(listeners if self.writes else ())
        self.checkpoints = Checkpoints(
            folder / CHECKPOINTS, kind=trainer.kind, fingerprint=trainer.fingerprint(), keep=options.keep
        )
        self.journal = Journal(folder / "log.jsonl")
        self.means = Means()
        self.saved: Path | None = None
        self.first = self.done = self._resume()
        self._logged_at, self._logged_step = time.monotonic(), self.done

    def _resume(self) -> int:
        if self.writes:
            self.checkpoints.clean()
        parallel.broadcast(None)  # nobody reads before it is clean
        found = self.checkpoints.load()
        step = 0 if found is None else found.step
        if found is not None:
            try:
                self.trainer.restore(found.state["trainer"])
                self.means = Means(found.state["means"])
            except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
                what = " ".join(str(error).split())[:300]
                raise CheckpointError(
                    f"{found.path} does not fit this {self.trainer.kind} training: {what}. Train with the "
                    "version of this program that it was begun with, or choose another folder"
                ) from error
            self.saved = found.path
            logger.info("%s: goes on from %s", self.trainer.kind, found.path)
        if self.writes:
            with self._room("the log"):
                self.journal.keep_until(step)
        return step

    def go(self, asked: Any) -> Outcome:
        """Steps until the end, a signal or the time budget; the state is saved in each case."""
        outcome: Outcome = "finished"
        bar = tqdm(
            total=self.steps,
            initial=min(self.done, self.steps),
            desc=self.trainer.kind,
            disable=not (self.options.progress and self.writes),
        )
        with bar:
            while self.done < self.steps:
                values = dict(self.trainer.step(self.done))
                late = self.options.seconds is not None and time.monotonic() - self.begin > self.options.seconds
                bad, stop, late = parallel.any_rank(not _finite(values), asked(), late)
                if bad:
                    raise self._diverged(f"losses {_told(values)}")
                self.done += 1
                self.means.add(values)
                self._status(bar)
                if stop or late:
                    outcome = "asked to stop" if stop else "out of time"
                    break
        if self.done < self.steps or self.saved is None or self.done > self.first:
            self._save()
        self._log_rest(bar)
        return outcome if self.done < self.steps else "finished"

    def _status(self, bar: Any) -> None:
        bar.update()
        if self.done % self.options.log_every == 0:
            self._log(bar)
        if self.done % self.options.grid_every == 0 or self.done == self.steps:
            self._show()
        if self.done % self.options.save_every == 0:
            self._save()

    def _log_rest(self, bar: Any) -> None:
        """What the steps since the last line came to, in a line that a run which goes on drops and counts again."""
        if self.means.state():
            self._tell(bar, self.means.look(), {"partial": True})

    def _log(self, bar: Any) -> None:
        self._tell(bar, self.means.take(), {})

    def _tell(self, bar: Any, means: Mapping[str, float], marks: Mapping[str, bool]) -> None:
        values = {"done": self.done / self.steps, **parallel.mean_over_ranks(means)}
        if not self.writes:
            return
        now = time.monotonic()
        rate = (self.done - self._logged_step) / max(now - self._logged_at, 1e-9)
        self._logged_at, self._logged_step = now, self.done
        with self._room("a log line"):
            self.journal.write(self.done, {"steps_per_s": round(rate, 3), **values, **marks})
        bar.set_postfix_str(_told(values))
        self.listeners.scalars(self.done, values | {"steps_per_s": rate})

    def _show(self) -> None:
        if not self.writes:
            return
        picture = sheet_of(self.trainer.grid())
        with self._room("a grid"):
            write_sheet(self.folder / "grids" / f"{self.done:08d}.png", picture)
        self.listeners.sheet(self.done, picture)

    def _save(self) -> None:
        self.means = self.means.over_ranks()
        state = {"trainer": self.trainer.state(), "means": self.means.state()}
        bad = [key for key, tensor in take_apart(state)[1].items() if not _all_finite(tensor)]
        (any_bad,) = parallel.any_rank(bool(bad))
        if any_bad:
            raise self._diverged(f"the state {', '.join(bad[:3]) or 'of another process'}")
        if self.writes:
            with self._room("a checkpoint"):
                self.saved = self.checkpoints.save(self.done, state)
        self.saved = parallel.broadcast(self.saved)

    def write(self, write: Callable[[Path], None]) -> None:
        """Write what was learned; the state is saved already."""
        if self.writes:
            with self._room("what was learned"):
                write(self.folder)

    def _diverged(self, what: str) -> TrainingDiverged:
        good = f"the last good state is {self.saved}" if self.saved else "no state was saved before"
        return TrainingDiverged(
            f"{self.trainer.kind} training has diverged at step {self.done}: expected finite numbers, got {what}; "
            f"{good}. Run again with a lower learning rate or a larger batch, in another folder; the same command "
            "again would repeat exactly this"
        )

    @contextmanager
    def _room(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            good = f"the state of {self.saved} stays" if self.saved else "no state was saved before"
            raise DiskFull(
                f"no room for {what} in {self.folder} after {self.done} steps; {good}. Free some space and run the "
                "same command again: it goes on from there"
            ) from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A lock on the folder that ends with the process, however that ends."""
    if parallel.rank() != 0:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"no room for a training in {folder}: free some space and run the same command again"
            ) from error
        raise TrainingError(
            f"{folder} cannot be trained in ({error.strerror}): choose a folder that can be written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(
                f"another process trains in {folder}: wait until it has ended, or choose another folder"
            ) from error
        yield


def _finite(values: Mapping[str, float]) -> bool:
    return all(math.isfinite(value) for value in values.values())


def _all_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _told(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
