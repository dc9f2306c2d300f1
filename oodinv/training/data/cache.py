"""Decoded crops in one memory-mapped folder, named by what is in it; or no cache, where they would not fit."""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.examine import Verdict, look_through, remember, remembered
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
    listing: Listing, size: int, cache: Path, *, most_bytes: int, progress: bool
) -> tuple[list[Verdict], Layers]:
    """Verdicts on all samples, and their pictures at a size: cached on disk, or decoded when they are needed.

    Args:
        listing: What the folder holds.
        size: Side of the crops, pixels.
        cache: Folder for decoded crops and verdicts; made if absent.
        most_bytes: Above this, and where the disk has not the room, crops are decoded each time.
        progress: Show a bar while the folder is read for the first time.

    Raises:
        DatasetError: The cache cannot be written.
    """
    try:
        with _alone(cache):
            return _examined(listing, size, cache, most_bytes=most_bytes, progress=progress)
    except OSError as error:
        raise DatasetError(
            f"the cache of decoded crops, {cache}, cannot be written: {error.strerror}; "
            "free space, or name another folder for it"
        ) from error


def _examined(
    listing: Listing, size: int, cache: Path, *, most_bytes: int, progress: bool
) -> tuple[list[Verdict], Layers]:
    verdicts = remembered(listing, cache)
    if verdicts is not None and (found := _stored(listing, cache / _name(verdicts, size))) is not None:
        return verdicts, found
    needed = sum(channels for _, channels in _layers(listing)) * size * size * len(listing.records)
    if needed > most_bytes or needed > 0.8 * shutil.disk_usage(cache).free:
        logger.info("%s: %.1f GB decoded, too much to keep: decoding as needed", listing.folder, needed / 1e9)
        if verdicts is None:
            verdicts = [verdict for verdict, _ in look_through(listing, None, progress=progress)]
            remember(listing, cache, verdicts)
        return verdicts, _lazy(listing, size)
    verdicts = _build(listing, size, cache, progress=progress)
    remember(listing, cache, verdicts)
    stored = _stored(listing, cache / _name(verdicts, size))
    assert stored is not None
    return verdicts, stored


def _build(listing: Listing, size: int, cache: Path, *, progress: bool) -> list[Verdict]:
    """Decode everything into a folder beside the final one, then give it its name."""
    partial = cache / f"partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    verdicts = []
    try:
        with ExitStack() as stack:
            # Written as files, not through a memory map: a full disk is then an error instead of a crash.
            files = {name: stack.enter_context((partial / f"{name}.npy").open("wb")) for name, _ in _layers(listing)}
            starts = {
                name: _header(files[name], (len(listing.records), channels, size, size))
                for name, channels in _layers(listing)
            }
            for row, (verdict, pixels) in enumerate(look_through(listing, size, progress=progress)):
                verdicts.append(verdict)
                for (name, channels), layer in zip(_layers(listing), pixels, strict=False):
                    if layer is not None:  # what is absent stays a hole in the file, which reads as zeros
                        files[name].seek(starts[name] + row * channels * size * size)
                        files[name].write(layer.tobytes())
            for name, channels in _layers(listing):
                files[name].truncate(starts[name] + len(listing.records) * channels * size * size)
        target = cache / _name(verdicts, size)
        if target.exists():  # the same content under another time stamp, or a damaged one
            shutil.rmtree(target)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return verdicts


def _header(file: IO[bytes], shape: tuple[int, ...]) -> int:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


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
    content = hashlib.sha256("".join(verdict.all_hash for verdict in verdicts).encode())
    return f"{size}px-v{_VERSION}-{content.hexdigest()[:24]}"


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Several processes that open a dataset at once fill its cache one after another."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
