"""Column and table names for what was given on a command line."""

from collections.abc import Sequence
from pathlib import PurePosixPath


def short_names(paths: Sequence[str]) -> list[str]:
    """The last parts of paths, as few as tell them apart.

    Example:
        ["runs/paper/bundle", "runs/improved/bundle"] become ["paper/bundle", "improved/bundle"].
    """
    parts = [
        [part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", ".")] for path in paths
    ]
    for length in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-length:]) or path for part, path in zip(parts, paths, strict=True)]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number + 1})" for number, name in enumerate(paths)]
