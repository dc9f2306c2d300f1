"""Rows of decoded pictures, wherever they lie: in an array or a memory-mapped cache, in files, in several folders."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, UInt8

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.pieces import BrokenPicture, Mode, Piece, decode


@runtime_checkable
class Pictures(Protocol):
    """Pictures of one size, by row."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def read(self, rows: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch channels size size"]:
        """Decoded pixels of some rows, in the order asked for."""
        ...


@dataclass(frozen=True, kw_only=True)
class StoredPictures:
    """Pixels that are there already; a memory-mapped array is read from disk as it is used."""

    pixels: UInt8[np.ndarray, "count channels size size"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, rows: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch channels size size"]:
        """A copy of some rows."""
        return np.asarray(self.pixels[rows])


@dataclass(frozen=True, kw_only=True)
class LazyPictures:
    """Pictures that are decoded each time they are asked for, by a few threads."""

    pieces: Sequence[Piece | None] = field(repr=False)
    """None reads as zeros: a portrait without accessory has no accessory mask."""
    mode: Mode
    size: int

    def __len__(self) -> int:
        return len(self.pieces)

    def read(self, rows: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch channels size size"]:
        """Decode some rows.

        Raises:
            DatasetError: A file was changed or removed since the dataset was opened.
        """
        channels = 3 if self.mode == "RGB" else 1
        if len(rows) == 0:
            return np.zeros((0, channels, self.size, self.size), np.uint8)
        return np.stack(list(few_threads().map(self._one, rows.tolist())))

    def _one(self, row: int) -> UInt8[np.ndarray, "channels size size"]:
        piece = self.pieces[row]
        if piece is None:
            return np.zeros((3 if self.mode == "RGB" else 1, self.size, self.size), np.uint8)
        try:
            return decode(piece.read(), self.mode, self.size)
        except BrokenPicture as error:
            raise DatasetError(
                f"{piece.path} was changed since the dataset was opened: {error}; open the dataset again"
            ) from error


@dataclass(frozen=True, kw_only=True)
class JoinedPictures:
    """The rows of several sources, one after the other."""

    parts: Sequence[Pictures]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def read(self, rows: Int[np.ndarray, " batch"]) -> UInt8[np.ndarray, "batch channels size size"]:
        """Some rows, each from the source it lies in."""
        ends = np.cumsum([len(part) for part in self.parts])
        which = np.searchsorted(ends, rows, side="right")
        found: np.ndarray | None = None
        for number, part in enumerate(self.parts):
            here = np.flatnonzero(which == number)
            if len(here) == 0:
                continue
            pixels = part.read(rows[here] - (ends[number] - len(part)))
            if found is None:
                found = np.empty((len(rows), *pixels.shape[1:]), np.uint8)
            found[here] = pixels
        return self.parts[0].read(rows) if found is None else found


def few_threads() -> ThreadPoolExecutor:
    """The threads of this process that decode pictures."""
    return _threads(os.getpid())


@lru_cache(maxsize=1)
def _threads(pid: int) -> ThreadPoolExecutor:
    # By process: threads do not survive a fork, and a pool that waits for them would wait for ever.
    return ThreadPoolExecutor(max_workers=min(8, len(os.sched_getaffinity(0))), thread_name_prefix=f"decode-{pid}")
