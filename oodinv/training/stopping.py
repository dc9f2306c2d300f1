"""Termination and interrupt as a wish that is fulfilled between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """Whether the process was asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """From here on, stop after the running step."""
        self.asked = True


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
