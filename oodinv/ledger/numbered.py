"""Create-only objects: writing one whatever happens to the answer, and numbered series of them."""

import time
from collections.abc import Callable

from oodinv.ledger.errors import LedgerError
from oodinv.store import OutcomeUnknown, Store

_MAX_REPEATS = 10
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


def create_until_known(target: Store, key: str, data: bytes, *, pause: Callable[[float], object] = time.sleep) -> bool:
    """``create``, repeated identically while the outcome is unknown.

    A lookup would prove nothing: the lost request may still be on its way when the object is not there yet.

    Args:
        target: Where.
        key: What to create.
        data: Its content.
        pause: Waits so many seconds before a repetition, a little longer each time.

    Returns:
        False also when an earlier, lost request of ours took the key: the caller compares content.

    Raises:
        OutcomeUnknown: No answer for ten times. Running again settles it.
    """
    for repeat in range(_MAX_REPEATS - 1):
        try:
            return target.create(key, data)
        except OutcomeUnknown:
            pause(min(_FIRST_PAUSE_S * 2**repeat, _LONGEST_PAUSE_S))
    return target.create(key, data)


def numbers(target: Store, prefix: str, suffix: str) -> list[int]:
    """The numbers n, ascending, for which ``<prefix><n><suffix>`` exists. Other objects are not ours."""
    found = []
    for info in target.list(prefix):
        name = info.key.removeprefix(prefix).removesuffix(suffix)
        if info.key == f"{prefix}{name}{suffix}" and name.isdecimal() and str(int(name)) == name:
            found.append(int(name))
    found.sort()
    return found


def check_complete(found: list[int], prefix: str, suffix: str, where: str) -> None:
    """Raise LedgerError unless ``found`` is 1, 2, …, n."""
    for expected, number in enumerate(found, start=1):
        if number != expected:
            raise LedgerError(
                f"{prefix}{expected}{suffix} is missing in {where} although {prefix}{found[-1]}{suffix} exists: it has "
                "been deleted. Bring it back from a backup, or start a new target."
            )
