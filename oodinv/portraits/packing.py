"""A pack: a dataset made small enough to be carried to a machine that has nothing."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from oodinv.imaging import encode_photo
from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.samples import Sample
from oodinv.portraits.shard_files import (
    FORMAT,
    claimed,
    facts_of,
    read_shard,
    shard_path,
    write_shard,
    write_table,
    write_text,
)

_PER_SHARD = 500
_BLOCK = 512  # of a tar archive
_SHARD_END = 20 * _BLOCK
_ABOUT_BYTES = 64 * 1024  # description and recipe
_ROW_BYTES = 1_600  # of a sample in the table; parameters and landmarks hardly compress
_LABEL_BYTES = 8  # of one label of one counterfactual in the table: a value and its place in a dictionary
_COLUMN_BYTES = 512  # of a column's description in the table


@dataclass(frozen=True, kw_only=True)
class PackSummary:
    """What a pack came to."""

    samples: int
    left_out: int
    """Samples of the dataset that did not fit."""
    size_bytes: int


def pack_dataset(
    dataset: Path, out_dir: Path, *, size: int, max_mib: float, quality: int = 92, progress: bool = True
) -> PackSummary:
    """Write a dataset again with smaller crops, in the same format, as many samples from its start as fit.

    Args:
        dataset: Folder written by `render_dataset`.
        out_dir: Folder of the pack.
        size: Side of its crops, pixels; at most that of the dataset.
        max_mib: Limit for all files together, MiB.
        quality: Of the JPEG crops, 1 to 100.
        progress: Show a bar on stderr.

    Raises:
        PortraitsError: There is no whole dataset, the size or the limit does not fit, or the folder is another's. A
            pack that came out larger than the limit is left without its description: it cannot be opened.
    """
    about = _read_about(dataset)
    if not 1 <= size <= about["crop_size"]:
        raise PortraitsError(f"crops of {about['crop_size']} pixels become smaller, not larger: got a size of {size}")
    if not 1 <= quality <= 100:
        raise PortraitsError(f"expected a quality from 1 to 100, got {quality}")
    wanted = {"packed": about["recipe"], "size": size, "max_mib": max_mib, "quality": quality}
    with claimed(out_dir, wanted):
        # From here on it is no whole pack, until the description is there again.
        (out_dir / "dataset.json").unlink(missing_ok=True)
        columns = len(about["recipe"].get("counterfactuals", ())) * len(about["label_names"])
        budget = int(max_mib * 2**20) - _ABOUT_BYTES - columns * _COLUMN_BYTES
        kept, facts = _fitting(dataset, about, size, quality, budget, progress=progress)
        if not kept:
            raise PortraitsError(f"{max_mib:g} MiB do not hold one sample of {size} pixels: allow more")
        starts = range(0, len(kept), _PER_SHARD)
        for number, start in enumerate(starts):
            write_shard(shard_path(out_dir, number), kept[start : start + _PER_SHARD])
        for path in (out_dir / "shards").glob("*"):  # of a pack that held more
            if path not in [shard_path(out_dir, number) for number in range(len(starts))]:
                path.unlink()
        write_table(out_dir / "samples.parquet", facts)
        told = about | {"format": FORMAT, "crop_size": size, "count": len(kept)}
        text = json.dumps(told, indent=1)
        files = [out_dir / "recipe.json", out_dir / "samples.parquet", *(out_dir / "shards").iterdir()]
        total = sum(path.stat().st_size for path in files) + len(text.encode())
        if total > max_mib * 2**20:
            raise PortraitsError(
                f"{len(kept)} samples came to {total / 2**20:.2f} MiB, more than the {max_mib:g} allowed: ask for "
                "a little less, or allow more"
            )
        write_text(out_dir / "dataset.json", text)
    return PackSummary(samples=len(kept), left_out=about["count"] - len(kept), size_bytes=total)


def _fitting(
    dataset: Path, about: dict[str, Any], size: int, quality: int, budget: int, *, progress: bool
) -> tuple[list[Sample], list[dict[str, Any]]]:
    kept: list[Sample] = []
    facts = []
    row = _ROW_BYTES + _LABEL_BYTES * len(about["recipe"].get("counterfactuals", ())) * len(about["label_names"])
    with tqdm(total=about["count"], unit="sample", desc="packing", disable=not progress) as bar:
        for sample in _samples(dataset, about["count"]):
            small, told = _smaller(sample, about["crop_size"], size, quality)
            needed = row + sum(_BLOCK + -(-len(data) // _BLOCK) * _BLOCK for data in small.members.values())
            needed += _SHARD_END if len(kept) % _PER_SHARD == 0 else 0
            if needed > budget:
                break
            budget -= needed
            kept.append(small)
            facts.append(told)
            bar.update()
    return kept, facts


def _samples(dataset: Path, wanted: int) -> Iterator[Sample]:
    """As many samples as the dataset says it has, from its shards by number."""
    found = 0
    for number in count():
        path = shard_path(dataset, number)
        if found == wanted or not path.exists():
            break
        for sample in read_shard(path):
            found += 1
            yield sample
    if found != wanted:
        raise PortraitsError(
            f"{dataset} should hold {wanted} samples and holds {found}: shards are missing or another dataset's; copy "
            "or render it again"
        )


def _smaller(sample: Sample, before: int, size: int, quality: int) -> tuple[Sample, dict[str, Any]]:
    facts = facts_of(sample)
    facts["landmarks"] = [[round(x * size / before, 2), round(y * size / before, 2)] for x, y in facts["landmarks"]]
    members = {}
    for rest, data in sample.members.items():
        if rest == "json":
            members[rest] = json.dumps(facts, separators=(",", ":")).encode()
            continue
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX))
        kind = "jpeg" if rest.endswith("jpg") else "png"
        members[rest] = encode_photo(pixels, format=kind, quality=quality)  # type: ignore[arg-type]
    return Sample(seed=sample.seed, members=members), facts


def _read_about(dataset: Path) -> dict[str, Any]:
    path = dataset / "dataset.json"
    try:
        about = json.loads(path.read_text())
        if about["format"] == FORMAT and about["kind"] == "portraits":
            return about
        raise PortraitsError(
            f"{path}: expected portraits in format {FORMAT}, got {about['kind']!r}, {about['format']!r}"
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise PortraitsError(
            f"{dataset} is no finished dataset of portraits ({error}): render it with `oodinv portraits render`"
        ) from error
