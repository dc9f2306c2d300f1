"""From what the user typed to a store."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oodinv.store.errors import LocationError
from oodinv.store.folder import FolderStore
from oodinv.store.photos import PhotoFolder
from oodinv.store.protocol import DEFAULT_ACCESS, Access, Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def local_folder(uri: str) -> Path:
    """The folder that a path or ``file://`` URI names, absolute, links resolved; it need not exist.

    Raises:
        LocationError: Empty, another scheme, or a ``file://`` URI of another host.
    """
    if not uri or "\0" in uri:
        raise LocationError(f"expected a folder, got {uri!r}")
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return Path(uri).expanduser().resolve()
    if scheme[1].lower() != "file":
        raise LocationError(
            f"{scheme[1]}:// is not supported in this version (got {uri!r}): name a local folder, as a path or file:///path"
        )
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise LocationError(f"expected file:///absolute/path, got {uri!r}")
    return Path(unquote(parts.path)).resolve()


def open_store(uri: str, access: Access = DEFAULT_ACCESS) -> Store:
    """Open a target for reading and writing. The folder need not exist: the first write makes it.

    Args:
        uri: A folder's path, or ``file:///path``.
        access: How to reach it.

    Raises:
        LocationError: Not a folder this version can open.
    """
    folder = local_folder(uri)
    if folder.exists() and not folder.is_dir():
        raise LocationError(f"expected a folder, but {str(folder)!r} is a file: name its folder")
    return FolderStore(root=folder)


def open_source(uri: str, access: Access = DEFAULT_ACCESS) -> Store:
    """Open a folder of photos for reading.

    Args:
        uri: A folder's path, or ``file:///path``.
        access: How to reach it.

    Raises:
        LocationError: No such folder.
    """
    folder = local_folder(uri)
    if not folder.is_dir():
        found = "it is a file: name its folder" if folder.exists() else "it does not exist: check the spelling"
        raise LocationError(f"expected a folder of photos at {str(folder)!r}, but {found}")
    return PhotoFolder(root=folder)
