"""Processes, found through /proc."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def session(leader: int) -> dict[int, str]:
    """Living processes of the session that ``leader`` began: pid → title."""
    return {process.pid: process.title for process in living() if process.session == leader}


def children(parent: int) -> dict[int, str]:
    """Living processes that ``parent`` started: pid → title."""
    return {process.pid: process.title for process in living() if process.parent == parent}


@dataclass(frozen=True)
class Process:
    pid: int
    name: str
    parent: int
    session: int
    title: str


def living() -> Iterator[Process]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                head, _, tail = file.read().rpartition(")")
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                title = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # ended while we looked
            continue
        state, parent, _, session_id = tail.split()[:4]
        if state not in "ZX":
            yield Process(int(pid), head.partition("(")[2], int(parent), int(session_id), title)


def kill_child(parent: int, name: str) -> None:
    """SIGKILL the process of that name that ``parent`` started."""
    (pid,) = [process.pid for process in living() if process.parent == parent and process.name == name]
    os.kill(pid, signal.SIGKILL)


def wait_for(look: Callable[[], T], seconds: float = 120, every: float = 0.01) -> T:
    """The first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := look():
            return answer
        time.sleep(every)
    raise TimeoutError(f"nothing within {seconds} s")
