"""The small protocol that every store speaks."""

from collections.abc import Iterator
from dataclasses import dataclass
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

    def head(self, key: str) -> ObjectInfo:
        """Size and etag of one object; raises as ``get``."""

    def put(self, key: str, data: bytes) -> None:
        """Write or replace. Only for objects under an attempt's own prefix and for convenience copies."""

    def create(self, key: str, data: bytes) -> bool:
        """Write unless the key exists. True: this call created it. False: the key was taken, nothing changed."""

    def delete(self, key: str) -> None:
        """Remove; removing what is not there is no error."""
