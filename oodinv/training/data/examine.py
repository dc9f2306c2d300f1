"""Look at every sample once: hash what it holds, see whether it decodes, and keep the verdicts.

Verdicts are remembered by the size and time of the file that holds a sample, so a large folder is read through once
and not at every start.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from oodinv.training.atomic import write_whole
from oodinv.training.data.listing import Listing, Record
from oodinv.training.data.pictures import few_threads
from oodinv.training.data.pieces import BrokenPicture, decode, side_of

_AT_ONCE = 64
_VERSION = 1
Decoded = tuple[UInt8[np.ndarray, "3 size size"] | None, UInt8[np.ndarray, "1 size size"] | None, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one look at a sample told."""

    crop_hash: str
    """Of the encoded crop."""
    all_hash: str
    """Of the encoded crop and masks."""
    side: int
    """Of the crop, pixels; 0 for a broken one."""
    problem: str
    """Why it cannot be used; empty for a good one."""


def look_through(listing: Listing, size: int | None, *, progress: bool) -> Iterator[tuple[Verdict, Decoded]]:
    """Read, hash and decode every sample in order.

    Args:
        listing: The samples.
        size: Side to decode to, pixels; None decodes to see that it can be done, and gives no pixels.
        progress: Show a bar on stderr.

    Yields:
        The verdict and the pixels of crop, accessory mask and silhouette (None for what is absent or broken).
    """
    records, threads = listing.records, few_threads()
    with tqdm(total=len(records), unit="image", desc=f"reading {listing.folder.name}", disable=not progress) as bar:
        for start in range(0, len(records), _AT_ONCE):
            chunk = records[start : start + _AT_ONCE]
            yield from threads.map(lambda record: _look(record, size), chunk)
            bar.update(len(chunk))


def _look(record: Record, size: int | None) -> tuple[Verdict, Decoded]:
    crop_hash, everything = hashlib.sha256(), hashlib.sha256()
    pixels: list[np.ndarray | None] = [None, None, None]
    side, problem = 0, ""
    for place, piece in enumerate(record.pieces):
        everything.update(b"\0" if piece is None else b"\1")
        if piece is None:
            continue
        try:
            data = piece.read()
            everything.update(hashlib.sha256(data).digest())
            if place == 0:
                crop_hash.update(data)
                side = side_of(data)
            # A picture that is too small for this use is whole nevertheless; its side is kept and told apart later.
            fits = size if size is not None and side >= size else None
            decoded = decode(data, "RGB" if place == 0 else "L", fits)
            pixels[place] = decoded if fits is not None else None
        except BrokenPicture as error:
            problem = f"{('crop', 'accessory mask', 'silhouette')[place]} {error}"
            break
    verdict = Verdict(
        crop_hash=crop_hash.hexdigest()[:32],
        all_hash=everything.hexdigest()[:32],
        side=0 if problem else side,
        problem=problem,
    )
    return verdict, (None, None, None) if problem else (pixels[0], pixels[1], pixels[2])


def remembered(listing: Listing, cache: Path) -> list[Verdict] | None:
    """The verdicts of an earlier look, if no file of the folder was touched since."""
    try:
        told = json.loads(_path(listing, cache).read_text())
        if told["version"] != _VERSION or told["files"] != _files(listing):
            return None
        if [name for name, *_ in told["samples"]] != [record.name for record in listing.records]:
            return None
        return [
            Verdict(crop_hash=str(crop), all_hash=str(both), side=int(side), problem=str(problem))
            for _, crop, both, side, problem in told["samples"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never looked at, or the note is damaged: look again


def hashes_remembered(cache: Path) -> Iterator[list[str]]:
    """Of every folder whose verdicts are kept in a cache, its samples' `all_hash`; damaged notes are passed over."""
    for path in cache.glob("looked-at-*.json"):
        try:
            yield [str(both) for _, _, both, *_ in json.loads(path.read_text())["samples"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue


def remember(listing: Listing, cache: Path, verdicts: list[Verdict]) -> None:
    """Keep the verdicts for the next start."""
    samples = [
        (record.name, verdict.crop_hash, verdict.all_hash, verdict.side, verdict.problem)
        for record, verdict in zip(listing.records, verdicts, strict=True)
    ]
    told = {"version": _VERSION, "files": _files(listing), "samples": samples}
    write_whole(_path(listing, cache), json.dumps(told).encode())


def _path(listing: Listing, cache: Path) -> Path:
    return cache / f"looked-at-{hashlib.sha256(str(listing.folder.resolve()).encode()).hexdigest()[:16]}.json"


def _files(listing: Listing) -> dict[str, list[int]]:
    found = {}
    for name in {record.file for record in listing.records}:
        state = (listing.folder / name).stat()
        found[name] = [state.st_size, state.st_mtime_ns]
    return found
