"""Opening folders as a dataset: rendered portraits and photos by one call."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oodinv.training.data.cache import Layers, examined
from oodinv.training.data.dataset import Counterfactual, Dataset, LeftOut
from oodinv.training.data.errors import DatasetError
from oodinv.training.data.examine import Verdict
from oodinv.training.data.joining import join_datasets
from oodinv.training.data.listing import Listing, Record
from oodinv.training.data.photos import CACHE, read_photos
from oodinv.training.data.pictures import LazyPictures
from oodinv.training.data.shards import read_shards

logger = logging.getLogger(__name__)
_SHOWN = 5


def open_dataset(
    folders: Sequence[Path | str],
    *,
    size: int | None = None,
    count: int | None = None,
    cache: Path | None = None,
    cache_gib: float = 16.0,
    max_broken_share: float = 0.01,
    progress: bool = True,
) -> Dataset:
    """Open folders of crops, joined in the order given.

    A folder is either one that `oodinv portraits render` or `oodinv portraits pack` wrote, or any folder of square
    images (FFHQ, CelebA-HQ), nested as it may be, with an optional `labels.csv`. Each is read through once; decoded
    crops of the size asked for are kept in a memory-mapped cache if they fit, and decoded by a few threads if not.
    Broken samples and exact duplicates are left out and listed in `Dataset.left_out`.

    Args:
        folders: At least one.
        size: Side of the crops in pixels; larger ones are averaged down. None: as they are in the first folder.
        count: Only the first so many samples of each folder are looked at; None: all.
        cache: Folder for decoded crops; default: `cache/` beside the shards or images, where these lie on
            a disk that can be written and has room.
        cache_gib: Above this, decoded crops are not kept. GiB per folder.
        max_broken_share: More broken samples than this are an error.
        progress: Show a bar on stderr while a folder is read for the first time.

    Raises:
        DatasetError: A folder is missing, empty, unfinished or mostly broken, or its crops are smaller than ``size``.
    """
    if not folders:
        raise DatasetError("no dataset given: name at least one folder of crops")
    if size is not None and size < 1:
        raise DatasetError(f"crops need a size of at least 1 pixel, got {size}")
    seen: dict[str, str] = {}
    parts = []
    for folder in (Path(folder) for folder in folders):
        listing = read_folder(folder)
        if size is None:
            size = _native_size(listing)
        place = cache if cache is not None else folder / CACHE
        if count is not None and count < len(listing.records):
            listing = replace(listing, records=listing.records[:count])
            place = place / f"first-{count}"  # what is kept of the whole folder stays
        most_bytes = round(cache_gib * 2**30)
        verdicts, layers = examined(
            listing, size, place, most_bytes=most_bytes, progress=progress, needed=cache is not None
        )
        parts.append(_selected(listing, verdicts, layers, size, seen, max_broken_share))
    joined = join_datasets(parts)
    if joined.left_out:
        first = "; ".join(f"{what.where}: {what.reason}" for what in joined.left_out[:_SHOWN])
        logger.warning("%d samples are left out, of %d used: %s", len(joined.left_out), len(joined), first)
    return joined


def read_folder(folder: Path) -> Listing:
    """List a folder of either sort.

    Raises:
        DatasetError: There is no such folder, or nothing in it that could be used.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder: name one with crops")
    if (folder / "dataset.json").exists():
        return read_shards(folder)
    if (folder / "recipe.json").exists():
        raise DatasetError(f"{folder} was not rendered to its end: run the same `oodinv portraits` command again")
    return read_photos(folder)


def _native_size(listing: Listing) -> int:
    if listing.crop_size is not None:
        return listing.crop_size
    from oodinv.training.data.pieces import BrokenPicture, side_of

    for record in listing.records:
        try:
            return side_of(record.crop.read())
        except BrokenPicture:
            continue
    raise DatasetError(f"{listing.folder}: none of its {len(listing.records)} images can be read")


def _selected(
    listing: Listing,
    verdicts: Sequence[Verdict],
    layers: Layers,
    size: int,
    seen: dict[str, str],
    max_broken_share: float,
) -> Dataset:
    """The samples of a folder that can be used; `seen` holds the content met so far and where."""
    _check_sides(listing, verdicts, size)
    kept, left_out, broken = [], [], 0
    for row, (record, verdict) in enumerate(zip(listing.records, verdicts, strict=True)):
        where = str(listing.folder / record.name)
        if verdict.problem:
            left_out.append(LeftOut(where=where, reason=verdict.problem))
            broken += 1
        elif verdict.crop_hash in seen:
            left_out.append(LeftOut(where=where, reason=f"the same content as {seen[verdict.crop_hash]}"))
        else:
            seen[verdict.crop_hash] = where
            kept.append(row)
    if broken > max_broken_share * len(verdicts):
        first = "; ".join(f"{what.where}: {what.reason}" for what in left_out if "same content" not in what.reason)
        raise DatasetError(
            f"{broken} of {len(verdicts)} samples in {listing.folder} are broken, more than the share of "
            f"{max_broken_share:g} that is left out silently: {first[:600]}; copy the folder again, or allow more"
        )
    whole = _dataset(listing, verdicts, layers, size)
    return replace(whole.subset(np.array(kept, dtype=np.int64)), left_out=tuple(left_out))


def _check_sides(listing: Listing, verdicts: Sequence[Verdict], size: int) -> None:
    small = [row for row, verdict in enumerate(verdicts) if not verdict.problem and verdict.side < size]
    if small:
        row = small[0]
        raise DatasetError(
            f"{listing.folder}: {len(small)} of {len(verdicts)} crops are smaller than the {size} pixels asked for, "
            f"{listing.records[row].name} has {verdicts[row].side}; crops are never enlarged: ask for a smaller size "
            "or use larger crops"
        )


def _dataset(listing: Listing, verdicts: Sequence[Verdict], layers: Layers, size: int) -> Dataset:
    records = listing.records
    dropped = _dropped(listing)
    if dropped:
        told = "; ".join(f"{what} ({why})" for what, why in dropped.items())
        logger.warning("%s: what not all samples have is known of none: %s", listing.folder, told)
    with_params = listing.parameter_names and all(record.params is not None for record in records)
    scale = size / listing.crop_size if listing.crop_size is not None else 1.0
    with_marks = listing.crop_size is not None and all(record.landmarks is not None for record in records)
    return Dataset(
        size=size,
        rows=np.arange(len(records)),
        crop_pictures=layers.crops,
        accessory_pictures=layers.accessory,
        silhouette_pictures=layers.silhouette,
        changed=_changed(records, size),
        params=np.array([record.params for record in records], dtype=np.float32) if with_params else None,
        parameter_names=listing.parameter_names if with_params else (),
        labels=_labels([record.labels for record in records]),
        kinds=[record.kind for record in records],
        designs=[record.design for record in records],
        landmarks=(
            np.array([record.landmarks for record in records], dtype=np.float32) * np.float32(scale)
            if with_marks
            else None
        ),
        seeds=np.array([-1 if record.seed is None else record.seed for record in records], dtype=np.int64),
        hashes=[verdict.crop_hash for verdict in verdicts],
        origin=str(listing.folder),
        splits=(listing.split,) if listing.split else (),
        dropped=dropped,
    )


def _dropped(listing: Listing) -> dict[str, str]:
    """By fact, which samples lack it, of the facts that some have."""
    facts: list[tuple[str, list[bool]]] = [
        ("masks", [record.silhouette is not None for record in listing.records]),
        ("params", [record.params is not None for record in listing.records]),
        ("landmarks", [record.landmarks is not None for record in listing.records]),
    ]
    for what, tables in (
        ("label", [record.labels for record in listing.records]),
        ("counterfactual", [record.changed for record in listing.records]),
    ):
        for name in dict.fromkeys(name for table in tables for name in table):
            facts.append((f"{what} {name}", [name in table for table in tables]))
    found = {}
    for what, known in facts:
        if any(known) and not all(known):
            first = listing.records[known.index(False)].name
            found[what] = f"{known.count(False)} of {len(known)} samples lack it, the first {first}"
    return found


def _labels(rows: Sequence) -> dict[str, np.ndarray]:
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: np.array([row[name] for row in rows], dtype=np.float32) for name in names}


def _changed(records: Sequence[Record], size: int) -> dict[str, Counterfactual]:
    """Counterfactuals that every sample has; few, and used once, so they are decoded when needed."""
    names = [name for name in records[0].changed if all(name in record.changed for record in records)]
    found = {}
    for name in names:
        moved = [record.changed[name] for record in records]
        found[name] = Counterfactual(
            crops=LazyPictures(pieces=[one.crop for one in moved], mode="RGB", size=size),
            accessory=LazyPictures(pieces=[one.accessory for one in moved], mode="L", size=size),
            silhouette=LazyPictures(pieces=[one.silhouette for one in moved], mode="L", size=size),
            labels=_labels([one.labels for one in moved]),
            amounts=np.array([np.nan if one.amount is None else one.amount for one in moved], dtype=np.float32),
        )
    return found
