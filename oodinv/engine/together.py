"""Many faces in few calls, and one bad face does not fail the others."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from oodinv.engine.microbatch import Microbatch
from oodinv.engine.outcome import NOT_THE_PHOTOS, Reason, reason_for

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


def together(
    call: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T | Reason | None], microbatch: Microbatch, stage: str
) -> list[R | Reason | None]:
    """Call a function over items in microbatches; when that fails, over each of them alone.

    Args:
        call: Gives one result for each item; may be called again with the same items.
        items: One that is a reason or None already stays so.
        microbatch: How many at once.
        stage: Where a failure is said to have happened.

    Returns:
        For each item its result, or why it has none.

    Raises:
        StoreError, MemoryError: See `NOT_THE_PHOTOS`.
    """
    to_do = [item for item in items if item is not None and not isinstance(item, Reason)]
    made = iter(_made(call, to_do, microbatch, stage))
    return [item if item is None or isinstance(item, Reason) else next(made) for item in items]


def _made(
    call: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], microbatch: Microbatch, stage: str
) -> list[R | Reason]:
    if len(items) > 1 and microbatch.size > 1:
        try:
            return list(microbatch(call, items))
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            logger.info("%s of %d faces together failed (%s); now one by one", stage, len(items), type(error).__name__)
    return [_alone(call, item, microbatch, stage) for item in items]


def _alone(call: Callable[[Sequence[T]], Sequence[R]], item: T, microbatch: Microbatch, stage: str) -> R | Reason:
    try:
        return microbatch(call, [item])[0]
    except NOT_THE_PHOTOS:
        raise
    except Exception as error:
        return reason_for(error, stage)
