"""Termination and interrupt as a wish that is fulfilled between two steps."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP = "stop"
"""File in a training's folder that asks it to stop."""
_LOOK_S = 1.0


class StopWish:
    """Whether the process was asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """From here on, stop after the running step."""
        self.asked = True


class StopFile:
    """Looks for the file that asks to stop, about once a second; one from before this run does not count."""

    def __init__(self) -> None:
        self._begin, self._looked, self._there = time.time(), 0.0, False

    def __call__(self, folder: Path) -> bool:
        """Whether it is there."""
        now = time.monotonic()
        if not self._there and now - self._looked > _LOOK_S:
            self._looked = now
            try:
                self._there = (folder / STOP).stat().st_mtime >= self._begin
            except FileNotFoundError:
                self._there = False
        return self._there


@contextmanager
def stop_on_signals() -> Iterator[StopWish]:
    """SIGTERM and SIGINT ask to stop; a second one does what it did before.

    Outside the main thread, where Python has no signals, nothing asks.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        wish.ask()
        signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

    for number in before:
        signal.signal(number, handle)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
