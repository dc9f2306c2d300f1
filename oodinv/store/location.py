"""From what the user typed to a store. The S3 client is imported only when a bucket is opened."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oodinv.store.errors import LocationError
from oodinv.store.folder import FolderStore
from oodinv.store.photos import PhotoFolder
from oodinv.store.protocol import DEFAULT_ACCESS, Access, Store
from oodinv.store.s3_uri import check_endpoint, is_s3, parse_s3

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def local_folder(uri: str) -> Path:
    """The folder that a path or ``file://`` URI names, absolute, links resolved; it need not exist.

    Raises:
        LocationError: Empty, another scheme (a bucket too), or a ``file://`` URI of another host.
    """
    if not uri or "\0" in uri:
        raise LocationError(f"expected a folder, got {uri!r}")
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return Path(uri).expanduser().resolve()
    if scheme[1].lower() != "file":
        raise LocationError(
            f"expected a folder (a path or file:///path) or s3://bucket/prefix, got {scheme[1]}://: copy the files to "
            "one of these, or name the server's S3 interface with --endpoint-url"
        )
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise LocationError(f"expected file:///absolute/path, got {uri!r}")
    return Path(unquote(parts.path)).resolve()


def open_store(uri: str, access: Access = DEFAULT_ACCESS) -> Store:
    """Open a target for reading and writing. A folder need not exist: the first write makes it; a bucket must.

    Args:
        uri: A folder's path, ``file:///path`` or ``s3://bucket/prefix``. Nothing is asked of a server yet.
        access: How to reach it.

    Raises:
        LocationError: Nothing that can be a target.
    """
    if is_s3(uri):
        from oodinv.store.s3 import S3Store

        return S3Store(place=parse_s3(uri), access=_checked(access))
    folder = local_folder(uri)
    if folder.exists() and not folder.is_dir():
        raise LocationError(f"expected a folder, but {str(folder)!r} is a file: name its folder")
    return FolderStore(root=folder)


def open_source(uri: str, access: Access = DEFAULT_ACCESS) -> Store:
    """Open a place of photos for reading.

    Args:
        uri: A folder's path, ``file:///path`` or ``s3://bucket/prefix``. Nothing is asked of a server yet.
        access: How to reach it.

    Raises:
        LocationError: No such folder, or nothing that can be a source.
    """
    if is_s3(uri):
        from oodinv.store.s3_photos import S3Photos

        return S3Photos(place=parse_s3(uri), access=_checked(access))
    folder = local_folder(uri)
    if not folder.is_dir():
        found = "it is a file: name its folder" if folder.exists() else "it does not exist: check the spelling"
        raise LocationError(f"expected a folder of photos at {str(folder)!r}, but {found}")
    return PhotoFolder(root=folder)


def _checked(access: Access) -> Access:
    if access.endpoint_url is not None:
        check_endpoint(access.endpoint_url)
    return access
