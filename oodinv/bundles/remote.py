"""Bundles in a bucket: fetched once, kept in a cache on this machine, never believed without their hashes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oodinv.bundles.spec import BundleError, parse_spec
from oodinv.store import AccessError, LocationError, ObjectMissing, Store, open_store
from oodinv.store.cache import CACHE, cache_folder, keep_file
from oodinv.store.protocol import DEFAULT_ACCESS, Access

_LARGEST_SPEC = 2**20


def fetch_bundle(uri: str, access: Access = DEFAULT_ACCESS) -> Path:
    """Bring a bundle to this machine.

    The folder is named after the hash of `bundle.json`. What lies there is kept if its own hash is right, so that
    another run fetches nothing but `bundle.json`, an interrupted one is continued, and damage heals. Any number of
    processes may do this at once: a file appears whole.

    Args:
        uri: `s3://bucket/prefix` that holds a `bundle.json`.
        access: How to reach it.

    Returns:
        A folder with the bundle's files, verified.

    Raises:
        BundleError: There is no such bundle, it may not be read, it is damaged, or the cache cannot be written.
        StoreError: The store failed.
    """
    with _as_bundle_errors(uri):
        store = open_store(uri, access)
        info, raw = store.fetch("bundle.json", _LARGEST_SPEC)
        if raw is None:
            raise BundleError(f"{uri}: bundle.json has {info.size} bytes, expected at most {_LARGEST_SPEC}")
        spec = parse_spec(raw, hashlib.sha256(raw).hexdigest()).spec
        folder = cache_folder() / "bundles" / hashlib.sha256(raw).hexdigest()
        for part in spec.files:
            _keep(folder / part.file, store, part.sha256, uri)
        if spec.card not in {part.file for part in spec.files} and not (folder / spec.card).exists():
            with suppress(ObjectMissing):  # it is for people only
                keep_file(folder / spec.card, store.get(spec.card))
        keep_file(folder / "bundle.json", raw)
    return folder


def _keep(path: Path, store: Store, sha256: str, uri: str) -> None:
    """Make sure that a file of the cache has the right content."""
    if path.is_file():
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
    data = store.get(path.name)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BundleError(
            f"{uri}: {path.name} has sha256 {found[:12]}…, bundle.json says {sha256[:12]}…: the bundle in the bucket "
            "is damaged or half uploaded, upload it again"
        )
    keep_file(path, data)


@contextmanager
def _as_bundle_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except ObjectMissing as error:
        raise BundleError(f"no bundle at {uri}: {error.key} is missing there. Check the spelling.") from None
    except LocationError as error:
        raise BundleError(f"no bundle can be there: {error}") from None
    except AccessError as error:
        raise BundleError(f"the bundle at {uri} cannot be read: {error.problem}") from None
    except OSError as error:
        raise BundleError(
            f"the bundle from {uri} cannot be kept in {cache_folder()}: {error.strerror or error}. Make room or name "
            f"another folder in {CACHE}."
        ) from error
