"""Decoded crops in one memory-mapped folder, named by what is in it; or no cache, where they would not fit."""

import fcntl
import hashlib
import io
import logging
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.examine import Verdict, hashes_remembered, look_through, remember, remembered
from oodinv.training.data.listing import Listing
from oodinv.training.data.pictures import LazyPictures, Pictures, StoredPictures

logger = logging.getLogger(__name__)
_VERSION = 1
_LAYERS = (("crops", 3), ("accessory", 1), ("silhouette", 1))


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The decoded pictures of one folder, a row per record of its listing."""

    crops: Pictures
    accessory: Pictures | None
    silhouette: Pictures | None


def examined(
    listing: Listing, size: int, cache: Path, *, most_bytes: int, progress: bool, needed: bool = True
) -> tuple[list[Verdict], Layers]:
    """Verdicts on all samples, and their pictures at a size: cached on disk, or decoded when they are needed.

    Args:
        listing: What the folder holds.
        size: Side of the crops, pixels.
        cache: Folder for decoded crops and verdicts; made if absent.
        most_bytes: Above this, and where the disk has not the room, crops are decoded each time.
        progress: Show a bar while the folder is read for the first time.
        needed: A cache that cannot be written is an error; else there is none then, with a warning.

    Raises:
        DatasetError: The cache cannot be written.
    """
    with ExitStack() as stack:
        try:
            with _writing():
                stack.enter_context(_alone(cache))
            return _examined(listing, size, cache, most_bytes=most_bytes, progress=progress)
        except _Unwritable as error:
            if needed:
                raise DatasetError(
                    f"the cache of decoded crops, {cache}, cannot be written: {error}; "
                    "free space, or name another folder for it"
                ) from error
            verdicts = remembered(listing, cache)
            if verdicts is not None and (found := _stored(listing, cache / _name(verdicts, size))) is not None:
                return verdicts, found
            logger.warning(
                "decoded crops cannot be kept in %s (%s): decoding as needed, which is slower; name a folder with "
                "room as cache",
                cache,
                error,
            )
            return verdicts or _looked_at(listing, progress=progress), _lazy(listing, size)


def _examined(
    listing: Listing, size: int, cache: Path, *, most_bytes: int, progress: bool
) -> tuple[list[Verdict], Layers]:
    _clean(cache)
    verdicts = remembered(listing, cache)
    if verdicts is not None and (found := _stored(listing, cache / _name(verdicts, size))) is not None:
        return verdicts, found
    needed = sum(channels for _, channels in _layers(listing)) * size * size * len(listing.records)
    if needed > most_bytes or needed > 0.8 * shutil.disk_usage(cache).free:
        logger.info("%s: %.1f GB decoded, too much to keep: decoding as needed", listing.folder, needed / 1e9)
        if verdicts is None:
            verdicts = _looked_at(listing, progress=progress)
            with _writing():
                remember(listing, cache, verdicts)
        return verdicts, _lazy(listing, size)
    verdicts = _build(listing, size, cache, progress=progress)
    with _writing():
        remember(listing, cache, verdicts)
    _remove_stale(cache)
    stored = _stored(listing, cache / _name(verdicts, size))
    assert stored is not None
    return verdicts, stored


def _clean(cache: Path) -> None:
    """Remove what killed processes left: whoever holds the lock knows that nobody is building."""
    for left in cache.iterdir():
        if re.fullmatch(r"partial-\d+", left.name):
            shutil.rmtree(left, ignore_errors=True)
        elif re.fullmatch(r"looked-at-.*\.\d+\.(partial|tmp)", left.name):
            left.unlink(missing_ok=True)


def _remove_stale(cache: Path) -> None:
    """Remove decoded crops of what no dataset holds any more: files were changed, added or removed since."""
    known = {_content(hashes) for hashes in hashes_remembered(cache)}
    for folder in cache.iterdir():
        match = re.fullmatch(r"\d+px-v\d+-([0-9a-f]{24})", folder.name)
        if match and match[1] not in known:
            shutil.rmtree(folder, ignore_errors=True)


def _looked_at(listing: Listing, *, progress: bool) -> list[Verdict]:
    return [verdict for verdict, _ in look_through(listing, None, progress=progress)]


class _Unwritable(Exception):
    """The cache cannot be written; the text says why."""


@contextmanager
def _writing() -> Iterator[None]:
    """Around what writes into the cache and nothing else: a dataset that cannot be read is another trouble."""
    try:
        yield
    except OSError as error:
        raise _Unwritable(error.strerror or str(error)) from error


def _build(listing: Listing, size: int, cache: Path, *, progress: bool) -> list[Verdict]:
    """Decode everything into a folder beside the final one, then give it its name."""
    partial = cache / f"partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    verdicts = []
    try:
        with _writing():
            partial.mkdir()
            # Written as files, not through a memory map: a full disk is then an error instead of a crash.
            layers = {
                name: _LayerFile(partial / f"{name}.npy", (len(listing.records), channels, size, size))
                for name, channels in _layers(listing)
            }
        for row, (verdict, pixels) in enumerate(look_through(listing, size, progress=progress)):
            verdicts.append(verdict)
            with _writing():
                # Without masks only the first layer, the crops, has a file.
                for file, layer in zip(layers.values(), pixels, strict=False):
                    if layer is not None:
                        file.write(row, layer)
        with _writing():
            for file in layers.values():
                file.close()
            target = cache / _name(verdicts, size)
            if target.exists():  # the same content under another time stamp, or a damaged one
                shutil.rmtree(target)
            os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return verdicts


class _LayerFile:
    """An array's file, written row by row; rows that are not written are holes, which read as zeros."""

    def __init__(self, path: Path, shape: tuple[int, int, int, int]):
        # Unbuffered: what was written is written, and closing cannot fail for want of room a second time.
        self._file, self._row = path.open("wb", buffering=0), math.prod(shape[1:])
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        self._file.write(header.getvalue())
        self._start = self._file.tell()
        self._file.truncate(self._start + shape[0] * self._row)

    def write(self, row: int, pixels: UInt8[np.ndarray, "channels size size"]) -> None:
        self._file.seek(self._start + row * self._row)
        data = memoryview(pixels.tobytes())
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


def _stored(listing: Listing, folder: Path) -> Layers | None:
    arrays: dict[str, Pictures] = {}
    for name, channels in _layers(listing):
        try:
            pixels = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        if pixels.shape[:2] != (len(listing.records), channels):
            return None
        arrays[name] = StoredPictures(pixels=pixels)
    return Layers(crops=arrays["crops"], accessory=arrays.get("accessory"), silhouette=arrays.get("silhouette"))


def _lazy(listing: Listing, size: int) -> Layers:
    crops, accessory, silhouette = zip(*(record.pieces for record in listing.records), strict=True)
    masks: Sequence[Pictures | None] = (None, None)
    if listing.has_masks:
        masks = [LazyPictures(pieces=pieces, mode="L", size=size) for pieces in (accessory, silhouette)]
    return Layers(crops=LazyPictures(pieces=crops, mode="RGB", size=size), accessory=masks[0], silhouette=masks[1])


def _layers(listing: Listing) -> tuple[tuple[str, int], ...]:
    return _LAYERS if listing.has_masks else _LAYERS[:1]


def _name(verdicts: Sequence[Verdict], size: int) -> str:
    return f"{size}px-v{_VERSION}-{_content([verdict.all_hash for verdict in verdicts])}"


def _content(hashes: Sequence[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:24]


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Several processes that open a dataset at once fill its cache one after another."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
