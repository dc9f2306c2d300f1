"""How long a call takes and how much memory it needs at most."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of one call, warm."""

    median_s: float
    min_s: float
    max_s: float
    repetitions: int
    peak_memory_bytes: int
    """On a GPU what torch allocated at most, weights included; on a CPU the process's largest resident set."""
    peak_memory_since: str
    """`call`, or `process` where the system cannot start the high-water mark anew: earlier calls may have set it."""


def measure(call: Callable[[], object], *, device: torch.device, seconds: float, least: int = 3) -> Timing:
    """Repeat a call for about `seconds` after a tenth of that, at least once, to warm up.

    At least `least` times, unless one call alone takes longer than `seconds`.
    """
    _, spent = _timed(call, device)
    while spent < seconds / 10:
        spent += _timed(call, device)[1]
    since = _reset_peak(device)
    times: list[float] = []
    while not times or sum(times) < seconds or (len(times) < least and times[-1] < seconds):
        times.append(_timed(call, device)[1])
    return Timing(
        median_s=statistics.median(times),
        min_s=min(times),
        max_s=max(times),
        repetitions=len(times),
        peak_memory_bytes=_peak(device),
        peak_memory_since=since,
    )


def _timed(call: Callable[[], object], device: torch.device) -> tuple[object, float]:
    _wait(device)
    begin = time.perf_counter()
    result = call()
    _wait(device)
    return result, time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> str:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return "call"
    try:
        _CLEAR_REFS.write_text("5")  # Linux: the high-water mark becomes the present size
    except OSError:
        return "process"
    return "call"


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
