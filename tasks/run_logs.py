"""What the library logs, in the run's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

_ROOT = "oodinv"


class _IntoRun(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            get_run_logger().log(record.levelno, "%s", record.getMessage())
        except MissingContextError:  # logged from a thread that no run owns
            logging.lastResort and logging.lastResort.handle(record)


@contextmanager
def library_logs_in_run() -> Iterator[None]:
    """Send records of `oodinv.*` from INFO on to the flow run or task run they come from."""
    handler, logger = _IntoRun(level=logging.INFO), logging.getLogger(_ROOT)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the orchestrator's own handlers sit on the root: every record would come twice
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
