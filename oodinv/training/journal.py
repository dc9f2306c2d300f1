"""The log of a training: one JSON line per status, of which a resumed run keeps what it stands on."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from oodinv.training import parallel


class Journal:
    """`log.jsonl` in a training's folder."""

    def __init__(self, path: Path):
        self.path = path

    def keep_until(self, step: int) -> None:
        """Drop lines after a step, of the rest at a run's end, and one that was not finished: the run goes on there."""
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                told = json.loads(line)
                known = line.endswith(b"\n") and int(told["step"]) <= step and not told.get("partial")
            except (ValueError, KeyError, TypeError, AttributeError):
                known = False
            if known:
                kept.append(line)
        temporary = self.path.with_suffix(".jsonl.tmp")
        temporary.write_bytes(b"".join(kept))
        os.replace(temporary, self.path)

    def write(self, step: int, values: Mapping[str, float | str | bool]) -> None:
        """Append a line.

        Args:
            step: Steps done.
            values: Means since the line before; `partial` marks those of fewer steps than a line has.
        """
        line = json.dumps({"step": step, "time": round(time.time(), 1), **values})
        with self.path.open("a") as file:
            file.write(line + "\n")


class Means:
    """Means of what the steps said since the last line; what only some steps say counts where it was said."""

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None):
        self._sums = {name: (float(total), int(count)) for name, (total, count) in (sums or {}).items()}

    def add(self, values: Mapping[str, float]) -> None:
        """One step's numbers."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def look(self) -> dict[str, float]:
        """The means so far."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = self.look()
        self._sums = {}
        return means

    def over_ranks(self) -> "Means":
        """The means over all processes too, which brings the same numbers to each."""
        sums = parallel.mean_over_ranks({name: total for name, (total, _) in self._sums.items()})
        return Means({name: (total, self._sums[name][1]) for name, total in sums.items()})

    def state(self) -> dict[str, tuple[float, int]]:
        """What a resumed run goes on from."""
        return dict(self._sums)
