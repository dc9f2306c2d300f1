"""Reading a place on S3: what photos and results have in common."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from oodinv.store.errors import ObjectMissing
from oodinv.store.protocol import DEFAULT_ACCESS, Access, ObjectInfo
from oodinv.store.s3_calls import RequestCount
from oodinv.store.s3_failure import Failure
from oodinv.store.s3_listing import Page, listed
from oodinv.store.s3_objects import S3Objects
from oodinv.store.s3_uri import S3Place


@dataclass(frozen=True, kw_only=True)
class S3Reader:
    """Objects below ``place``. Safe for any number of threads and processes; nothing is sent before the first call."""

    place: S3Place
    access: Access = DEFAULT_ACCESS
    count: RequestCount = field(default_factory=RequestCount, compare=False, repr=False)

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return self.place.uri

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``."""
        return (info for info in listed(self._page, prefix, self.uri) if self._is_key(info.key))

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """See ``Store.folders``."""
        page = self._page(prefix, None, True)
        found = list(page.folders)
        while page.token is not None:
            page = self._page(prefix, page.token, True)
            found += page.folders
        names = {folder[len(prefix) :].removesuffix("/") for folder in found}
        return tuple(sorted(name for name in names if self._is_key(name)))

    def get(self, key: str) -> bytes:
        """See ``Store.get``."""
        _, data = self.fetch(key, sys.maxsize)
        assert data is not None
        return data

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        """See ``Store.fetch``: one request, whose body is left unread when it is too large."""
        found = self._objects.read(self._checked(key), max_bytes)
        if isinstance(found, Failure):
            raise self._unreadable(key, found)
        return found

    def head(self, key: str) -> ObjectInfo:
        """See ``Store.head``."""
        found = self._objects.head(self._checked(key))
        if isinstance(found, Failure):
            raise self._unreadable(key, found)
        return found

    def requests(self) -> Mapping[str, int]:
        """See ``Store.requests``; repeated ones count, and LIST counts as ``write``, as providers bill it."""
        return self.count.by_kind()

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(place=self.place, access=self.access, count=self.count)

    def _page(self, prefix: str, token: str | None, by_folder: bool) -> Page:
        found = self._objects.page(prefix, token, by_folder=by_folder)
        if isinstance(found, Failure):
            self._objects.fail(found, "list")
        return found

    def _unreadable(self, key: str, failure: Failure) -> Exception:
        """What a failed reading means: this object's trouble, or everything's?"""
        if failure.code == "NoSuchKey":
            return ObjectMissing(key, self.uri)
        missing = failure.status == 404 and failure.code != "NoSuchBucket"
        if missing or failure.code in ("400", "403"):  # answers without a body do not say why; a listing does
            trouble = self._objects.trouble()
            if trouble is not None:
                return self._objects.error(trouble, "list")
        return ObjectMissing(key, self.uri) if missing else self._objects.error(failure, "read")

    def _checked(self, key: str) -> str:
        return key

    def _is_key(self, key: str) -> bool:
        return True
