"""The small protocol that every store speaks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """One object as a listing shows it."""

    key: str
    """Path below the store's root, ``/`` between parts; always valid unicode."""

    size: int
    """Bytes."""

    etag: str
    """Changes when the content changes. In a folder: size and modification time in nanoseconds."""

    modified: float = field(default=0.0, compare=False)
    """When it was written, POSIX seconds by the store's clock. Only collecting garbage looks at it."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a store, beside its URI; the same for source and target.

    No credentials: those come from the chain of the S3 client (environment, profile, role of the machine).
    """

    endpoint_url: str | None = None
    """Of an S3-compatible server; None = what the environment says, else AWS."""

    single_writer: bool = False
    """The target ignores create-only conditions, so ``create`` looks before it writes; right for one writer only."""


DEFAULT_ACCESS = Access()


@runtime_checkable
class Store(Protocol):
    """Objects under keys.

    The only condition relied on is ``create``: of any number of concurrent calls for one key exactly one returns True,
    and what it wrote is whole and durable. Everything written is visible whole or not at all.
    """

    @property
    def uri(self) -> str:
        """Opening this again gives the same store."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with ``prefix``, sorted by key (code points)."""

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """Names between ``prefix`` (empty or ending in ``/``) and the next ``/``, sorted; objects are not looked at."""

    def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            ObjectMissing: No such object.
            ObjectRefused: There is one, but it will not be read (sources only).
            StoreError: The store failed.
        """

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        """What the object is now and its bytes, of one and the same version; None for more than ``max_bytes``.

        Raises as ``get``.
        """

    def head(self, key: str) -> ObjectInfo:
        """Size and etag of one object; raises as ``get``."""

    def put(self, key: str, data: bytes) -> None:
        """Write or replace. Only for objects under an attempt's own prefix and for convenience copies."""

    def create(self, key: str, data: bytes) -> bool:
        """Write unless the key exists. True: this call created it. False: the key was taken, nothing changed."""

    def delete(self, key: str) -> None:
        """Remove; removing what is not there is no error."""

    def requests(self) -> Mapping[str, int]:
        """Requests sent so far that a provider bills, by kind: ``read``, ``write``. Nothing for a folder.

        By this process, repeated ones too. Listings are billed like writes and counted there.
        """
