"""The files of a dataset: WebDataset shards, a description, a table for people. Each appears by one rename."""

import fcntl
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.samples import Sample

FORMAT = 1
"""Version of the layout."""


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / "shards" / f"{number:06d}.tar"


def write_shard(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as members ``KEY.<rest>`` of a tar archive that tells nothing of when and where it was made.

    Raises:
        PortraitsError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_suffix(".partial")
    with _told(path):
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for sample in samples:
                for rest, data in sample.members.items():
                    member = tarfile.TarInfo(f"{sample.seed:08d}.{rest}")
                    member.size, member.mode = len(data), 0o644
                    archive.addfile(member, io.BytesIO(data))
        os.replace(temporary, path)


def read_shard(path: Path) -> Iterator[Sample]:
    """The samples of a shard, in order.

    Raises:
        PortraitsError: It is not whole.
    """
    found: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                key, _, rest = member.name.partition(".")
                file = archive.extractfile(member)
                if file is not None and key.isdigit():
                    found.setdefault(key, {})[rest] = file.read()
    except (tarfile.TarError, OSError) as error:
        raise PortraitsError(f"{path} is not a whole shard ({error}): delete it and render again") from error
    for key, members in found.items():
        yield Sample(seed=int(key), members=members)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        PortraitsError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_suffix(".partial")
    with _told(path):
        temporary.write_text(text)
        os.replace(temporary, path)


def write_table(path: Path, facts: Sequence[dict[str, Any]]) -> None:
    """`samples.parquet`: what is known about each sample, one row each; empty columns are there too.

    Raises:
        PortraitsError: The disk is full or the folder cannot be written.
    """
    names = list(facts[0]["labels"]) if facts else []
    changes = list(facts[0]["counterfactuals"]) if facts else []
    schema = pa.schema(
        [
            ("seed", pa.int64()),
            ("kind", pa.string()),
            ("design", pa.string()),
            ("background", pa.string()),
            *((name, pa.float32()) for name in names),
            ("params", pa.list_(pa.float32())),
            ("landmarks", pa.list_(pa.list_(pa.float32()))),
            *((f"{change}.{name}", pa.float32()) for change in changes for name in names),
        ]
    )
    rows = [
        {
            **{name: fact[name] for name in ("seed", "kind", "design", "background", "params", "landmarks")},
            **fact["labels"],
            **{
                f"{change}.{name}": value
                for change in changes
                for name, value in fact["counterfactuals"][change]["labels"].items()
            },
        }
        for fact in facts
    ]
    temporary = path.with_suffix(".partial")
    with _told(path):
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
        os.replace(temporary, path)


def facts_of(sample: Sample) -> dict[str, Any]:
    """What a sample's JSON tells."""
    return json.loads(sample.members["json"])


@contextmanager
def claimed(folder: Path, wanted: dict[str, Any], versions: dict[str, Any] | None = None) -> Iterator[None]:
    """Take a folder for one writer, new or begun earlier by the same recipe.

    Args:
        folder: Made if absent.
        wanted: What it will hold, as JSON.
        versions: Of the programs that make it. A folder that others began cannot be gone on with, a finished one can
            be asked for all the same.

    Raises:
        PortraitsError: Another process writes it, it holds something else, or it cannot be written.
    """
    with _told(folder):
        (folder / "shards").mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PortraitsError(
                f"{folder} is being written by another process: wait, or name another folder"
            ) from error
        path, recipe = folder / "recipe.json", {"format": FORMAT, **wanted}
        if path.exists():
            _check_recipe(path, recipe, versions)
        else:
            told = recipe if versions is None else {**recipe, "versions": versions}
            write_text(path, json.dumps(told, indent=1))
        yield


def _check_recipe(path: Path, recipe: dict[str, Any], versions: dict[str, Any] | None) -> None:
    with _told(path):
        text = path.read_text()
    try:
        found = dict(json.loads(text))
    except (ValueError, TypeError):
        found = {}
    made_by = found.pop("versions", None)
    if found != json.loads(json.dumps(recipe)):
        raise PortraitsError(
            f"{path.parent} holds a dataset of another recipe ({path.name}): name another folder, or ask for the same"
        )
    if made_by != versions and not (path.parent / "dataset.json").exists():
        raise PortraitsError(
            f"{path.parent} was begun by other versions, {made_by or 'not told which'}, and here are {versions}: the "
            "portraits would not be of one kind; go on with those, or name another folder"
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PortraitsError(
            f"{path} cannot be written: {error.strerror}; mend that and run the same command again, what is done stays"
        ) from error
