"""What a command shows of the library's log."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(f"oodinv: {record.getMessage()}", file=sys.stderr)


@contextmanager
def warnings_in_terminal() -> Iterator[None]:
    """Warnings of the run above the progress bar; the rest is in the run's log."""
    handler, logger = _AboveTheBar(level=logging.WARNING), logging.getLogger("oodinv")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
