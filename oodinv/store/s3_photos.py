"""A place on S3 that holds photos, read-only. Its keys are data: any text, never part of a path."""

from dataclasses import dataclass, field

from oodinv.store.errors import ObjectRefused, StoreError
from oodinv.store.protocol import ObjectInfo
from oodinv.store.s3_errors import may_be_one_objects
from oodinv.store.s3_failure import Failure
from oodinv.store.s3_reader import S3Reader

_OTHERS = 10


@dataclass(frozen=True, kw_only=True)
class S3Photos(S3Reader):
    """Every object below ``place``, under its own key. The credentials need ``s3:ListBucket`` and ``s3:GetObject``."""

    _last_read: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        """See ``Store.fetch``."""
        found = super().fetch(key, max_bytes)
        self._last_read[:] = [key]
        return found

    def put(self, key: str, data: bytes) -> None:
        """Refused: photos are never written."""
        raise self._read_only()

    def create(self, key: str, data: bytes) -> bool:
        """Refused: photos are never written."""
        raise self._read_only()

    def delete(self, key: str) -> None:
        """Refused: photos are never removed."""
        raise self._read_only()

    def _read_only(self) -> StoreError:
        return StoreError(f"the source {self.uri!r} is open for reading only; open a target to write")

    def _unreadable(self, key: str, failure: Failure) -> Exception:
        """A refusal is this photo's own only while others can be read; else every photo would be recorded as failed."""
        if failure.status == 404 or not may_be_one_objects(failure):
            return super()._unreadable(key, failure)
        trouble = self._objects.trouble()
        if trouble is not None:
            return self._objects.error(trouble, "list")
        if failure.code in _OWN_FAULT or self._reads_others(key):
            return ObjectRefused(f"{key[:200]!r} cannot be read {failure.said}")
        return self._objects.error(failure, "read")

    def _reads_others(self, key: str) -> bool:
        """True when any of the first few other objects can be read; none of their bytes are fetched."""
        page = self._objects.page("", None, by_folder=False, size=_OTHERS + 1)
        first = () if isinstance(page, Failure) else page.objects
        others = [other for other in (*self._last_read, *(info.key for info in first)) if other != key]
        return any(not isinstance(self._objects.read(other, max_bytes=-1), Failure) for other in others)


_OWN_FAULT = {"InvalidObjectState", "KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"}
"""Archived, or encrypted with a key that is out of use."""
