"""From an exception to the reason a row gives."""

import re
from dataclasses import dataclass

from oodinv.imaging.errors import PhotoError
from oodinv.store import ObjectMissing, ObjectRefused, StoreError


class DeviceBroken(Exception):
    """The GPU answers this process with errors only, whatever it is asked next; another process may use it."""


NOT_THE_PHOTOS = (StoreError, MemoryError, DeviceBroken)
"""The machine's trouble: no row says it, the attempt at the shard ends and whoever runs the worker decides."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a sample or a face is not ok; the columns of its row."""

    status: str
    stage: str
    error_class: str
    error_message: str

    def fields(self) -> dict[str, str]:
        """As row fields."""
        return {
            "status": self.status,
            "stage": self.stage,
            "error_class": self.error_class,
            "error_message": self.error_message,
        }


NO_FACE = Reason(status="skipped", stage="detect", error_class="no-face", error_message="no face was found")
TINY_FACE = Reason(
    status="skipped", stage="detect", error_class="tiny-face", error_message="the face has too few pixels to be edited"
)
QUARANTINED = Reason(
    status="quarantined",
    stage="process",
    error_class="killed-its-process",
    error_message="the worker died or stood still at this photo twice",
)


class Changed(Exception):
    """The photo is not the one that was planned."""


def reason_for(error: Exception, stage: str) -> Reason:
    """What an exception at a stage says about its photo.

    Anything unforeseen but `NOT_THE_PHOTOS` is that photo's failure too, under its exception's name: one bad photo
    never stops a run.

    Raises:
        DeviceBroken: After this exception every other photo would fail too.
    """
    if isinstance(error, RuntimeError) and re.search(r"\b(CUDA|HIP) error: (?!out of memory)", str(error)):
        raise DeviceBroken(str(error)[:300]) from error
    if isinstance(error, PhotoError):
        return Reason(status="failed", stage="decode", error_class=error.error_class, error_message=str(error))
    if isinstance(error, ObjectMissing):
        return _fetch("vanished", "the photo was there when the run was planned and is gone now")
    if isinstance(error, ObjectRefused):
        return _fetch("refused", str(error))
    if isinstance(error, Changed):
        return _fetch("changed", str(error))
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", name).strip("-") or "error"
    return Reason(status="failed", stage=stage, error_class=slug, error_message=str(error) or slug)


def _fetch(error_class: str, message: str) -> Reason:
    return Reason(status="failed", stage="fetch", error_class=error_class, error_message=message)
