"""A folder that is there whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oodinv.bundles.spec import BundleError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into; when the block ends without an error, it gets its name.

    Raises:
        BundleError: `out` exists and is not empty, or nothing can be written there.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BundleError(f"{out} exists already: expected a new or empty folder, name another one")
    unfinished = out.absolute().parent / f".{out.name}.{uuid.uuid4().hex}"
    try:
        yield unfinished
        os.rename(unfinished, out)
    except OSError as error:
        raise BundleError(f"{out} cannot be written: {error.strerror or error}; make room or name another") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
