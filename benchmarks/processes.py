"""What this process's actors and their helpers use, read from /proc (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One that lives."""

    pid: int
    parent: int
    title: str
    """Its command line."""
    cpu_s: float
    """User and system."""
    resident_mb: float


def living() -> dict[int, Process]:
    """All that can be read, by pid."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            resident = int((folder / "statm").read_text().split()[1]) * _PAGE / 2**20
        except (OSError, IndexError):  # gone meanwhile
            continue
        pid = int(folder.name)
        cpu = (int(fields[11]) + int(fields[12])) / _TICK
        found[pid] = Process(pid=pid, parent=int(fields[1]), title=title, cpu_s=cpu, resident_mb=resident)
    return found


def below(root: int) -> list[Process]:
    """Everything that a process started, and what that started; not itself."""
    every = living()
    found, front = [], [root]
    while front:
        children = [process for process in every.values() if process.parent in front]
        found += children
        front = [process.pid for process in children]
    return found


def actors(root: int) -> list[Process]:
    """The pool's actors among them."""
    return [process for process in below(root) if process.title.startswith("ray::_Actor")]


def resident_mb(pid: int) -> float:
    """Of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20
