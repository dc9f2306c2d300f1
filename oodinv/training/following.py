"""What a training in other processes writes into its folder, told to listeners in this one."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

import numpy as np
from PIL import Image

from oodinv.training.loop import Listener

_EVERY_S = 1.0


class Follower:
    """Reads new log lines and the newest grid of a folder."""

    def __init__(self, folder: Path, listeners: Sequence[Listener]):
        self._log, self._grids, self._listeners = folder / "log.jsonl", folder / "grids", listeners
        self._step = max((step for step, _ in self._lines()), default=0)
        self._shown = max(self._pictures(), default=0)

    def look(self) -> None:
        """Tell what is new since the last look."""
        for step, values in self._lines():
            if step > self._step:
                self._step = step
                for listener in self._listeners:
                    listener.scalars(step, values)
        newest = max(self._pictures(), default=0)
        if newest > self._shown:
            self._shown = newest
            picture = np.array(Image.open(self._grids / f"{newest:08d}.png").convert("RGB"))
            for listener in self._listeners:
                listener.sheet(newest, picture)

    def _lines(self) -> Iterator[tuple[int, dict[str, float]]]:
        text = self._log.read_text() if self._log.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may be half written
                values = json.loads(line)
                step = int(values.pop("step"))
                values.pop("time", None)
                yield step, values

    def _pictures(self) -> list[int]:
        return [int(path.stem) for path in self._grids.glob("*.png") if path.stem.isdigit()]


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
