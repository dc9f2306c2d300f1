"""Reading a folder of aligned face images, such as FFHQ or CelebA-HQ, nested as it comes."""

import csv
import math
import os
from pathlib import Path

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.listing import Listing, Record
from oodinv.training.data.names import check_label
from oodinv.training.data.pieces import Piece

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LABELS = "labels.csv"
CACHE = "cache"
"""Folder beside the images where decoded ones are kept; not searched for images."""


def read_photos(folder: Path) -> Listing:
    """List the images below a folder, by path, and their labels where a `labels.csv` has them.

    `labels.csv` has a column ``file`` (path below the folder, or the bare name where that is unique); every other
    column is a label and holds numbers.

    Raises:
        DatasetError: There are no images, or the labels do not fit them or have names that files cannot have.
    """
    paths = images_below(folder)
    if not paths:
        raise DatasetError(
            f"{folder} holds no images ({', '.join(SUFFIXES)}) and no dataset.json: "
            "name a folder of aligned crops, or one written by `oodinv portraits render`"
        )
    labels = _labels(folder, paths) if (folder / LABELS).is_file() else {}
    records = tuple(
        Record(name=path, file=path, crop=Piece(path=folder / path), labels=labels.get(path, {})) for path in paths
    )
    return Listing(folder=folder, records=records, has_masks=False)


def images_below(folder: Path) -> list[str]:
    """Paths below a folder of the files that are called like images, in order."""
    found = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".") and not (here == folder and name == CACHE)]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                found.append((here / name).relative_to(folder).as_posix())
    return sorted(found)


def _labels(folder: Path, paths: list[str]) -> dict[str, dict[str, float]]:
    by_name: dict[str, list[str]] = {}
    for path in paths:
        by_name.setdefault(Path(path).name, []).append(path)
    known, table = set(paths), folder / LABELS
    found: dict[str, dict[str, float]] = {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames is None or "file" not in rows.fieldnames:
            raise DatasetError(f"{table}: expected a column `file`, got the columns {rows.fieldnames}")
        for name in rows.fieldnames:
            if name != "file":
                check_label(name, table)
        for number, row in enumerate(rows, start=2):
            file_name = row.pop("file") or ""
            candidates = [file_name] if file_name in known else by_name.get(file_name, [])
            if len(candidates) > 1:
                raise DatasetError(f"{table}, line {number}: {file_name} is the name of several images; write its path")
            if candidates:
                found[candidates[0]] = {str(name): _number(table, number, name, text) for name, text in row.items()}
    missing = [path for path in paths if path not in found]
    if missing:
        raise DatasetError(f"{table} has no line for {len(missing)} of {len(paths)} images, the first {missing[0]}")
    return found


def _number(table: Path, line: int, name: str | None, text: object) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if name is None or not math.isfinite(value):
        raise DatasetError(f"{table}, line {line}: expected a number for {name!r}, got {text!r:.60}")
    return value
