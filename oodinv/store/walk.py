"""Listing a folder in the order of keys, with memory for one folder per level."""

import os
from collections.abc import Iterator

from oodinv.store.errors import infrastructure
from oodinv.store.keys import text_key


def walk(root: bytes, folder: bytes = b"") -> Iterator[tuple[bytes, "os.DirEntry[bytes]"]]:
    """Everything below ``root/folder`` that is not a folder, ordered by ``text_key``.

    Hidden names (first character a dot) are left out, files and folders alike: they hold thumbnails, resource forks
    and our own temporary files. Links are not followed; a link to a folder comes out like a file.

    Args:
        root: The store's root.
        folder: Where to start, relative to the root; need not exist.

    Yields:
        Path relative to the root, and its directory entry.

    Raises:
        StoreError: A folder cannot be listed. Its photos would silently be missing otherwise.
    """
    pending = [iter(scan(root, folder))]
    while pending:
        for path, entry in pending[-1]:
            if entry.is_dir(follow_symlinks=False):
                pending.append(iter(scan(root, path)))
                break
            yield path, entry
        else:
            pending.pop()


def scan(root: bytes, folder: bytes) -> list[tuple[bytes, "os.DirEntry[bytes]"]]:
    """The visible entries of one folder in the order in which their keys sort; none when there is no such folder."""
    where = os.path.join(root, folder) if folder else root
    try:
        with os.scandir(where) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(b".")]
    except (FileNotFoundError, NotADirectoryError):
        return []  # nothing written yet, or removed while we walked
    except OSError as error:
        raise infrastructure(error, f"listing {os.fsdecode(where)!r}") from error
    # A folder sorts as "name/", as its keys do: "a-b" comes before "a/b".
    visible.sort(key=lambda entry: text_key(entry.name) + "/" * entry.is_dir(follow_symlinks=False))
    return [(folder + b"/" + entry.name if folder else entry.name, entry) for entry in visible]
