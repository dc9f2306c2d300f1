"""What a training in other processes writes into its folder, told to listeners in this one."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import numpy as np
from PIL import Image

from oodinv.training.checkpoint import last_step
from oodinv.training.listening import Listener, Listeners

logger = logging.getLogger(__name__)

_EVERY_S = 1.0


class Follower:
    """Reads new log lines and the newest grid of a folder.

    What a killed run logged after its last checkpoint does not count: the run that goes on from there drops it from the
    log and does those steps again.
    """

    def __init__(self, folder: Path, listeners: Sequence[Listener]):
        self._log, self._grids, self._listeners = folder / "log.jsonl", folder / "grids", Listeners(listeners)
        self._step = last_step(folder)
        self._file, self._offset = self._state()
        self._pictures, self._warned = self._found(), False

    def look(self) -> None:
        """Tell what is new since the last look; what cannot be read now is warned of once and tried again."""
        try:
            for step, values in self._lines():
                if step > self._step:
                    self._step = step
                    self._listeners.scalars(step, values)
            found, before = self._found(), self._pictures
            new = [step for step, written in found.items() if before.get(step) != written]
            if new:
                picture = np.array(Image.open(self._grids / f"{max(new):08d}.png").convert("RGB"))
                self._pictures = found
                self._listeners.sheet(max(new), picture)
        except (OSError, ValueError, KeyError) as error:
            if not self._warned:
                self._warned = True
                logger.warning("what the training in %s logs cannot be followed: %s", self._log.parent, error)

    def _lines(self) -> Iterator[tuple[int, dict[str, float]]]:
        file, size = self._state()
        if file != self._file or size < self._offset:  # a resumed run wrote the log anew
            self._file, self._offset = file, 0
        if size == self._offset:
            return
        with self._log.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):  # the last one may be half written
                    return
                self._offset += len(line)
                values = json.loads(line)
                step = int(values.pop("step"))
                values.pop("time", None)
                values.pop("partial", None)
                yield step, values

    def _state(self) -> tuple[int, int]:
        """Which file the log is, and its length."""
        try:
            state = self._log.stat()
        except FileNotFoundError:
            return 0, 0
        return state.st_ino, state.st_size

    def _found(self) -> dict[int, int]:
        """Grids by step, and when each was written."""
        paths = [path for path in self._grids.glob("*.png") if path.stem.isdigit()]
        return {int(path.stem): path.stat().st_mtime_ns for path in paths}


@contextmanager
def following(folder: Path, listeners: Sequence[Listener]) -> Iterator[None]:
    """Look about once a second, in a thread, and once more at the end."""
    follower, end = Follower(folder, listeners), threading.Event()

    def look_again() -> None:
        while not end.wait(_EVERY_S):
            follower.look()

    # In this thread's context: whom the listeners speak for may depend on it.
    thread = threading.Thread(target=copy_context().run, args=(look_again,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        follower.look()
