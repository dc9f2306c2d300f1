"""A local folder as a store."""

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oodinv.store.errors import ObjectMissing, StoreError, infrastructure
from oodinv.store.keys import check_key, is_key
from oodinv.store.protocol import ObjectInfo
from oodinv.store.walk import scan, walk

TEMPORARY = ".tmp"
"""Hidden folder of the root for unfinished files; never listed. What a killed process leaves there is garbage."""

_OURS = re.compile(rb"[0-9a-f]{32}")
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


@dataclass(frozen=True, kw_only=True)
class FolderStore:
    """Objects as files below ``root``. Safe for any number of threads and processes of one machine.

    Every write goes to a temporary file first, reaches the disk (fsync of file and folder), and then appears under its
    name at once: by ``rename`` for ``put``, by a hard link for ``create``, which the kernel refuses when the name is
    taken. Nothing is created before the first write. Files whose names are no valid keys are not listed.
    """

    root: Path

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``Store.list``."""
        folder = prefix.rpartition("/")[0]
        if folder:
            check_key(folder)
        for path, entry in walk(os.fsencode(self.root), folder.encode()):
            key = os.fsdecode(path)
            if key.startswith(prefix) and entry.is_file(follow_symlinks=False) and is_key(key):
                with suppress(FileNotFoundError):  # removed while we walked
                    yield info_of(key, entry.stat(follow_symlinks=False))

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        """See ``Store.folders``."""
        if prefix:
            check_key(prefix.removesuffix("/"))
        entries = scan(os.fsencode(self.root), prefix.removesuffix("/").encode())
        names = (os.fsdecode(entry.name) for _, entry in entries if entry.is_dir(follow_symlinks=False))
        return tuple(sorted(name for name in names if is_key(name)))

    def get(self, key: str) -> bytes:
        """See ``Store.get``."""
        with self._reading(key):
            return self._path(key).read_bytes()

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        """See ``Store.fetch``."""
        with self._reading(key), open(self._path(key), "rb") as file:
            info = info_of(key, os.fstat(file.fileno()))
            return info, file.read() if info.size <= max_bytes else None

    def head(self, key: str) -> ObjectInfo:
        """See ``Store.head``."""
        with self._reading(key):
            status = self._path(key).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing(key, self.uri)
        return info_of(key, status)

    def put(self, key: str, data: bytes) -> None:
        """See ``Store.put``."""
        path = self._path(key)
        with self._finished_file(path, data) as temporary:
            os.replace(temporary, path)
            _sync_folder(path.parent)

    def create(self, key: str, data: bytes) -> bool:
        """See ``Store.create``."""
        path = self._path(key)
        if path.exists():
            return False
        with self._finished_file(path, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                raise StoreError(
                    f"{str(self.root)!r} lies on a file system without hard links ({error.strerror}), which "
                    "create-only writes need. Name a folder on a local disk (ext4, xfs, btrfs, APFS) or NFS."
                ) from error
            _sync_folder(path.parent)
        return True

    def delete(self, key: str) -> None:
        """See ``Store.delete``."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise infrastructure(error, f"deleting {str(path)!r}") from error

    def requests(self) -> Mapping[str, int]:
        """See ``Store.requests``: none."""
        return {}

    def unfinished(self) -> Iterator[ObjectInfo]:
        """Writes under way and, much older, what killed processes left of theirs; the keys are for ``discard``."""
        for path, entry in scan(os.fsencode(self.root), TEMPORARY.encode()):
            if entry.is_file(follow_symlinks=False) and _OURS.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # finished while we looked
                    yield info_of(os.fsdecode(path), entry.stat(follow_symlinks=False))

    def discard(self, key: str) -> None:
        """Remove a file that ``unfinished`` named; raises as ``delete``."""
        path = self.root / TEMPORARY / check_key(key.removeprefix(f"{TEMPORARY}/"))
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise infrastructure(error, f"deleting {str(path)!r}") from error

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissing(key, self.uri) from error
        except OSError as error:
            raise infrastructure(error, f"reading {str(self._path(key))!r}") from error

    @contextmanager
    def _finished_file(self, path: Path, data: bytes) -> Iterator[Path]:
        """A temporary file that holds ``data`` on disk; gone afterwards unless it was renamed."""
        temporary = self.root / TEMPORARY / uuid.uuid4().hex
        try:
            _make_folder(temporary.parent)
            _make_folder(path.parent)
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                yield temporary
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise infrastructure(error, f"writing {str(path)!r}") from error


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """A file as an object. Size and time stand for its content without reading it."""
    return ObjectInfo(
        key=key, size=status.st_size, etag=f"{status.st_size}-{status.st_mtime_ns}", modified=status.st_mtime
    )


def _make_folder(folder: Path) -> None:
    """``mkdir -p`` whose result survives a power cut, as what is put inside must."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):  # another thread was faster; or a file, which the write will report
        folder.mkdir()
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder; they need not either
            raise
    finally:
        os.close(descriptor)
