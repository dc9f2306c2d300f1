"""What can go wrong with a store, sorted by who has to act.

``LocationError`` is the user's mistake, ``StoreError`` the infrastructure's. ``ObjectMissing`` and ``ObjectRefused``
concern one object: a run records them and goes on.
"""

import errno

RUN_AGAIN = "Then run the same command again: it resumes."


class LocationError(ValueError):
    """A source or target that cannot be used as named. The message says what to name instead."""


class ObjectMissing(Exception):
    """No object lies under this key (any more)."""

    def __init__(self, key: str, where: str):
        super().__init__(f"no object {key!r} in {where}")
        self.key, self.where = key, where

    def __reduce__(self) -> tuple[type["ObjectMissing"], tuple[str, str]]:
        # Exceptions cross process borders by their arguments, which here are not the message.
        return type(self), (self.key, self.where)


class ObjectRefused(Exception):
    """The object is there but will not be read: no permission, archived, or a link that leads out of its folder."""


class StoreError(Exception):
    """The store itself failed: disk full, no permission, device error. The message says what to do."""


class AccessError(StoreError):
    """The store answers, but not to this user as it is named: no such bucket, no rights, no or expired credentials.

    Before a run that is the user's mistake; in the middle of one it ends the run like any other trouble.
    """

    def __init__(self, problem: str):
        super().__init__(f"{problem} {RUN_AGAIN}")
        self.problem = problem
        """What it is and what to do about it, without the advice to run again."""

    def __reduce__(self) -> tuple[type["AccessError"], tuple[str]]:
        return type(self), (self.problem,)


class ConditionsUnsupported(StoreError):
    """The server refuses conditional writes as such: ``create`` works only for a single writer."""


class OutcomeUnknown(StoreError):
    """A write was sent and its answer got lost: it may have been applied or not.

    Repeat the identical call until it is accepted or refused. Folder stores never raise this.
    """


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def infrastructure(error: OSError, doing: str) -> StoreError:
    """Put a failed system call into words.

    Args:
        error: What the operating system said.
        doing: What was being done, with the path, e.g. ``"writing /data/out/latest.json"``.

    Returns:
        The error to raise ``from`` the original.
    """
    said = f"{doing} failed: {error.strerror or error}"
    if error.errno in _FULL:
        return StoreError(
            f"{said}. Free some space (or raise the quota) and run the same command again: it resumes, "
            "and nothing half-written is visible."
        )
    if error.errno in _FORBIDDEN:
        return StoreError(f"{said}. Give this user the right to do it, or name another folder.")
    if error.errno == errno.ENOTDIR:
        return StoreError(f"{said}. A file lies where a folder is needed: move it away or name another folder.")
    return StoreError(f"{said}. Check the disk or mount, then run the same command again: it resumes.")
