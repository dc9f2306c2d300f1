"""One S3 call at a time, with answers as values: what the stores for photos and results have in common."""

import hashlib
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from oodinv.store.errors import StoreError
from oodinv.store.protocol import DEFAULT_ACCESS, Access, ObjectInfo
from oodinv.store.s3_calls import RequestCount, watched
from oodinv.store.s3_client import client_for, server_name
from oodinv.store.s3_errors import Doing, explain
from oodinv.store.s3_failure import FAILURES, NOT_S3, Failure, failure_of
from oodinv.store.s3_listing import Page
from oodinv.store.s3_uri import S3Place

PAGE_SIZE = 1000
_IN_LISTINGS = {"Key", "Size", "ETag", "LastModified"}
_IN_ANSWERS = {"ContentLength", "ETag", "LastModified"}
_PAUSES_S = (0.2, 1.0)
"""Before reading an object again whose body was cut off; the client repeats requests, but not bodies."""


@dataclass(frozen=True, kw_only=True)
class S3Objects:
    """The objects of one place. Keys are relative to it. Nothing is raised for a failed call but by ``fail``."""

    place: S3Place
    access: Access = DEFAULT_ACCESS
    count: RequestCount = field(default_factory=RequestCount, compare=False, repr=False)

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any] | Failure:
        """Make a call on the bucket, with the client's own repetitions.

        Args:
            operation: Name of the client's method, e.g. ``"get_object"``.
            parameters: Of that method, without the bucket.
        """
        with watched(self.count) as call:
            try:
                client = client_for(self.access.endpoint_url)
                answer: Mapping[str, Any] = getattr(client, operation)(Bucket=self.place.bucket, **parameters)
                return answer
            except FAILURES as error:
                return failure_of(error, unclear=call.unclear)

    def fail(self, failure: Failure, doing: Doing) -> NoReturn:
        """Raise what a failure means."""
        raise self.error(failure, doing)

    def error(self, failure: Failure, doing: Doing) -> StoreError:
        """What a failure means."""
        return explain(failure, doing, self.place, server_name(self.access.endpoint_url))

    def full(self, key: str) -> str:
        """The key in the bucket."""
        return self.place.prefix + key

    def page(self, prefix: str, token: str | None, *, by_folder: bool, size: int = 0) -> Page | Failure:
        """One page of a listing, in the server's order.

        Args:
            prefix: What keys start with.
            token: From the page before; None for the first.
            by_folder: Keys with a further ``/`` behind the prefix come as folders.
            size: At most so many entries; 0 = the usual page.
        """
        parameters: dict[str, Any] = {"Prefix": self.full(prefix), "MaxKeys": size or PAGE_SIZE}
        if token is not None:
            parameters["ContinuationToken"] = token
        if by_folder:
            parameters["Delimiter"] = "/"
        answer = self.ask("list_objects_v2", **parameters)
        if isinstance(answer, Failure):
            return answer
        if not _is_listing(answer, parameters):
            return Failure(code=NOT_S3)
        skipped = len(self.place.prefix)
        objects = tuple(_listed(found, found["Key"][skipped:]) for found in answer.get("Contents", ()))
        return Page(
            objects=tuple(info for info in objects if info.key),
            folders=tuple(found["Prefix"][skipped:] for found in answer.get("CommonPrefixes", ())),
            token=answer["NextContinuationToken"] if answer["IsTruncated"] else None,
        )

    def read(self, key: str, max_bytes: int = sys.maxsize) -> tuple[ObjectInfo, bytes | None] | Failure:
        """An object and its bytes from one and the same answer; None for more than ``max_bytes``."""
        pauses = iter(_PAUSES_S)
        while True:
            answer = self.ask("get_object", Key=self.full(key))
            if isinstance(answer, Failure):
                return answer
            info = _answered(answer, key)
            data = _body(answer["Body"], wanted=info is not None and info.size <= max_bytes)
            if info is None:
                return Failure(code=NOT_S3, status=200)
            if not isinstance(data, Failure):
                return info, data
            pause = next(pauses, None)
            if pause is None:
                return data
            time.sleep(pause)

    def head(self, key: str) -> ObjectInfo | Failure:
        """Size and etag of an object. A failure has no code of the server's: HEAD answers have no body."""
        answer = self.ask("head_object", Key=self.full(key))
        if isinstance(answer, Failure):
            return answer
        return _answered(answer, key) or Failure(code=NOT_S3, status=200)

    def write(self, key: str, data: bytes, **condition: str) -> Failure | None:
        """Write an object in one request; ``IfNoneMatch="*"`` unless it is there. None: it is written."""
        answer = self.ask("put_object", Key=self.full(key), Body=data, ContentMD5=content_md5(data), **condition)
        return answer if isinstance(answer, Failure) else None

    def trouble(self) -> Failure | None:
        """Why the place as a whole does not answer; None when it lists."""
        page = self.page("", None, by_folder=False, size=1)
        return page if isinstance(page, Failure) else None


def content_md5(data: bytes) -> str:
    """By which the server checks what arrived; every S3-compatible server knows it."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _is_listing(answer: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """True for what an S3 server answers: nothing that was not asked for, and a way on where there is more."""
    if "IsTruncated" not in answer:
        return False
    if answer["IsTruncated"] and answer.get("NextContinuationToken") in (None, "", asked.get("ContinuationToken")):
        return False
    return all(
        _IN_LISTINGS <= found.keys() and found["Key"].startswith(asked["Prefix"])
        for found in answer.get("Contents", ())
    )


def _body(stream: Any, *, wanted: bool) -> bytes | Failure | None:
    """The bytes of an answer; None for one that is closed unread."""
    with stream:
        try:
            return bytes(stream.read()) if wanted else None
        except FAILURES as error:
            return failure_of(error)


def _listed(found: Mapping[str, Any], key: str) -> ObjectInfo:
    modified = found["LastModified"].timestamp()
    return ObjectInfo(key=key, size=found["Size"], etag=_etag(found["ETag"]), modified=modified)


def _answered(answer: Mapping[str, Any], key: str) -> ObjectInfo | None:
    """From the answer to GET or HEAD; None when it is no S3 server's."""
    if not _IN_ANSWERS <= answer.keys():
        return None
    modified = answer["LastModified"].timestamp()
    return ObjectInfo(key=key, size=answer["ContentLength"], etag=_etag(answer["ETag"]), modified=modified)


def _etag(quoted: str) -> str:
    return quoted.removeprefix("W/").strip('"')
