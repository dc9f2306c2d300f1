"""Where this machine keeps what can be fetched again."""

import os
import uuid
from pathlib import Path

CACHE = "OODINV_CACHE"
"""Environment variable: the folder for what can be fetched again. Without it, `~/.cache/oodinv`."""


def cache_folder() -> Path:
    """Where fetched files are kept; need not exist."""
    named = os.environ.get(CACHE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "oodinv"


def keep_file(path: Path, data: bytes) -> None:
    """Replace a file at once: another process reads the old one or the new one.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{uuid.uuid4().hex}"
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
