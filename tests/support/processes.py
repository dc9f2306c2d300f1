"""Processes of one session, found through /proc."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def session(leader: int) -> dict[int, str]:
    """Living processes of the session that ``leader`` began: pid → title."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                title = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # ended while we looked
            continue
        state, session_id = fields[0], int(fields[3])
        if session_id == leader and state not in "ZX":
            found[int(name)] = title
    return found


def wait_for(look: Callable[[], T], seconds: float = 120, every: float = 0.01) -> T:
    """The first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := look():
            return answer
        time.sleep(every)
    raise TimeoutError(f"nothing within {seconds} s")
