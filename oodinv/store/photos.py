"""A folder of photos, read-only. Its file names are data: whatever they are, nothing outside the folder is read."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from oodinv.store.errors import ObjectMissing, ObjectRefused, StoreError, infrastructure
from oodinv.store.folder import info_of
from oodinv.store.keys import key_path, text_key
from oodinv.store.protocol import ObjectInfo
from oodinv.store.walk import scan, walk

_OWN_FAULT = (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)  # circular link, name too long, socket


@dataclass(frozen=True, kw_only=True)
class PhotoFolder:
    """Every visible regular file below ``root``, under keys of ``text_key``.

    Links: folders behind links are not entered. A link to a file inside the folder reads as that file. A link that
    leads out of the folder, or nowhere, is listed, so that it gets its row, but ``get`` refuses it.
    """

    root: Path

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``."""
        folder = prefix.rpartition("/")[0]
        for path, _ in walk(self._bytes, key_path(folder) if folder else b""):
            key = text_key(path)
            status = self._listed_status(path)
            if key.startswith(prefix) and status is not None:
                yield info_of(key, status)

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """See ``Store.folders``."""
        entries = scan(self._bytes, key_path(prefix.removesuffix("/")) if prefix else b"")
        return tuple(sorted(text_key(entry.name) for _, entry in entries if entry.is_dir(follow_symlinks=False)))

    def get(self, key: str) -> bytes:
        """See ``Store.get``."""
        with self._opened(key) as (_, file):
            return file.read()

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        """See ``Store.fetch``."""
        with self._opened(key) as (status, file):
            return info_of(key, status), file.read() if status.st_size <= max_bytes else None

    def head(self, key: str) -> ObjectInfo:
        """See ``Store.head``."""
        with self._reading(key):
            path = self._path(key)
            status = os.stat(path)
            self._check(key, path, status)
        return info_of(key, status)

    def put(self, key: str, data: bytes) -> None:
        """Refused: photos are never written."""
        raise self._read_only()

    def create(self, key: str, data: bytes) -> bool:
        """Refused: photos are never written."""
        raise self._read_only()

    def delete(self, key: str) -> None:
        """Refused: photos are never removed."""
        raise self._read_only()

    def requests(self) -> Mapping[str, int]:
        """See ``Store.requests``: none."""
        return {}

    def _read_only(self) -> StoreError:
        return StoreError(f"the source {self.uri!r} is open for reading only; open a target to write")

    @property
    def _bytes(self) -> bytes:
        return os.fsencode(self.root)

    def _path(self, key: str) -> bytes:
        try:
            return os.path.join(self._bytes, key_path(key))
        except ValueError as error:
            raise ObjectRefused(str(error)) from error

    def _check(self, key: str, path: bytes, status: os.stat_result) -> None:
        """Refuse what is no file of this folder.

        The path is resolved after the file was opened and must lead to that very file: a link that changes in
        between cannot smuggle another one in.
        """
        real = os.path.realpath(path)
        if not self._inside(real) or not os.path.samestat(os.stat(real), status):
            raise ObjectRefused(
                f"{key[:200]!r} is a link to a file outside the source folder; copy the photo itself into the folder"
            )
        if not stat.S_ISREG(status.st_mode):
            raise ObjectRefused(f"{key[:200]!r} is not a regular file")

    def _inside(self, real: bytes) -> bool:
        return real.startswith(self._bytes.rstrip(b"/") + b"/")

    def _listed_status(self, path: bytes) -> os.stat_result | None:
        """What a listing shows of a file; None for what is no file. Outside the folder only the link itself is seen."""
        full = os.path.join(self._bytes, path)
        try:
            status = os.lstat(full)
        except FileNotFoundError:
            return None  # removed while we walked
        except OSError as error:
            raise infrastructure(error, f"looking at {os.fsdecode(full)!r}") from error
        if not stat.S_ISLNK(status.st_mode):
            return status if stat.S_ISREG(status.st_mode) else None
        try:
            target = os.stat(full)
        except OSError:
            return status  # leads nowhere: the row will say so
        if stat.S_ISREG(target.st_mode):
            return target if self._inside(os.path.realpath(full)) else status
        return None

    @contextmanager
    def _opened(self, key: str) -> Iterator[tuple[os.stat_result, BinaryIO]]:
        with self._reading(key):
            path = self._path(key)
            # Without blocking: a pipe that took the photo's place must not hang the run.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                self._check(key, path, status)
                yield status, file

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        """Sort failures: the photo's (missing, refused) from the store's."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.root.is_dir():  # else every photo would be recorded as gone
                raise StoreError(f"the source folder {self.uri!r} is gone; bring it back and run again") from error
            raise ObjectMissing(key, self.uri) from error
        except (PermissionError, IsADirectoryError) as error:
            raise ObjectRefused(f"{key[:200]!r} cannot be read: {error.strerror}") from error
        except OSError as error:
            if error.errno in _OWN_FAULT:
                raise ObjectRefused(f"{key[:200]!r} cannot be read: {error.strerror}") from error
            raise infrastructure(error, f"reading {key[:200]!r} in {self.uri!r}") from error
