"""Processes, found through /proc."""

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def descendants(parent: int) -> set[int]:
    """Living processes below ``parent``, and itself."""
    found, everyone = {parent}, list(living())
    while more := {process.pid for process in everyone if process.parent in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> set[str]:
    """Addresses at which these processes take TCP connections."""
    sockets = set()
    for pid in pids:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    found = set()
    for table, family, size in (("tcp", socket.AF_INET, 4), ("tcp6", socket.AF_INET6, 16)):
        for line in open(f"/proc/net/{table}").readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                raw = bytes.fromhex(fields[1].partition(":")[0])
                words = b"".join(raw[index : index + 4][::-1] for index in range(0, size, 4))
                found.add(socket.inet_ntop(family, words))
    return found


def kill_child(parent: int, name: str) -> None:
    """SIGKILL the process of that name that ``parent`` started."""
    (pid,) = [process.pid for process in living() if process.parent == parent and process.name == name]
    os.kill(pid, signal.SIGKILL)


def die_with_parent() -> None:
    """For `preexec_fn`: the new process does not outlive the one that started it, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_for(look: Callable[[], T], seconds: float = 120, every: float = 0.01) -> T:
    """The first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := look():
            return answer
        time.sleep(every)
    raise TimeoutError(f"nothing within {seconds} s")
