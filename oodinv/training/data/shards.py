"""Reading the project's own format: `dataset.json` beside WebDataset shards, tar archives of samples by key.

A sample is its members ``KEY.jpg`` (or ``.png``), ``KEY.accessory.png``, ``KEY.silhouette.png`` and ``KEY.json``;
counterfactuals add ``KEY.<name>.jpg`` with masks of their own. Nothing is unpacked: members are read where they lie.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oodinv.training.data.errors import DatasetError
from oodinv.training.data.listing import Changed, Listing, Record
from oodinv.training.data.names import check_label
from oodinv.training.data.pieces import Piece

FORMAT = 1
"""Version of the folder's layout."""
_CROPS = ("jpg", "png")
_MAX_JSON = 1 << 20


def read_shards(folder: Path) -> Listing:
    """List the samples of a folder with a `dataset.json`.

    Raises:
        DatasetError: The description or a shard cannot be read, or is of another format.
    """
    about = _description(folder)
    shards = sorted((folder / "shards").glob("*.tar"))
    if not shards:
        raise DatasetError(f"{folder} has no shards/*.tar beside its dataset.json: copy the whole folder")
    names = tuple(str(name) for name in about.get("parameter_names", ()))
    records = [_record(folder, shard, key, members, len(names)) for shard in shards for key, members in _samples(shard)]
    if len(records) != about.get("count"):
        raise DatasetError(
            f"{folder} should hold {about.get('count')} samples by its dataset.json and holds {len(records)}: "
            "shards are missing or cut off; copy or render it again"
        )
    if not records:
        raise DatasetError(f"{folder} holds no samples: in none of its portraits was a face found")
    return Listing(
        folder=folder,
        records=tuple(records),
        has_masks=all(record.silhouette is not None for record in records),
        crop_size=int(about["crop_size"]),
        parameter_names=names,
        split=str(about.get("split") or ""),
    )


def _description(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    try:
        about = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({error}): copy or render the dataset again") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("crop_size"), int):
        found = about.get("format") if isinstance(about, dict) else about
        raise DatasetError(f"{path}: expected a dataset of format {FORMAT}, got {found!r:.60}; render it again")
    return about


def _samples(shard: Path) -> Iterator[tuple[str, dict[str, Piece]]]:
    """Keys of a shard in order, each with its members by the rest of their names."""
    found: dict[str, dict[str, Piece]] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                if member.isreg():
                    key, _, rest = Path(member.name).name.partition(".")
                    found.setdefault(key, {})[rest] = Piece(path=shard, offset=member.offset_data, length=member.size)
    except (tarfile.TarError, OSError) as error:
        raise DatasetError(f"{shard} is not a whole tar archive ({error}): copy or render it again") from error
    yield from found.items()


def _record(folder: Path, shard: Path, key: str, members: Mapping[str, Piece], num_parameters: int) -> Record:
    name = f"{shard.relative_to(folder)}:{key}"
    crop = _first(members, *_CROPS)
    if crop is None or "json" not in members:
        raise DatasetError(
            f"{folder / name} has {sorted(members)}: expected a .jpg or .png and a .json; render it again"
        )
    facts = _facts(folder / name, members["json"])
    try:
        params = facts.get("params")
        marks = facts.get("landmarks")
        record = Record(
            name=name,
            file=str(shard.relative_to(folder)),
            crop=crop,
            accessory=members.get("accessory.png"),
            silhouette=members.get("silhouette.png"),
            seed=None if facts.get("seed") is None else int(facts["seed"]),
            kind=str(facts.get("kind") or ""),
            design=str(facts.get("design") or ""),
            labels=_numbers(facts.get("labels", {}), folder / name),
            params=None if params is None else tuple(float(value) for value in params),
            landmarks=None if marks is None else tuple((float(x), float(y)) for x, y in marks),
            changed=_changed(members, facts.get("counterfactuals", {}), folder / name),
        )
    except DatasetError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{folder / name}.json does not hold what it should ({error}): render it again") from error
    if record.params is not None and len(record.params) != num_parameters:
        raise DatasetError(
            f"{folder / name}.json has {len(record.params)} parameters and dataset.json names {num_parameters}: "
            "shards of another dataset were mixed in"
        )
    return record


def _facts(name: Path, piece: Piece) -> dict[str, Any]:
    if (piece.length or 0) > _MAX_JSON:
        raise DatasetError(f"{name}.json has {piece.length} bytes, more than any sample's: render it again")
    try:
        facts = json.loads(piece.read())
    except Exception as error:
        raise DatasetError(f"{name}.json cannot be read ({error}): copy or render it again") from error
    if not isinstance(facts, dict):
        raise DatasetError(f"{name}.json holds no object: render it again")
    return facts


def _changed(members: Mapping[str, Piece], told: Mapping[str, Any], where: Path) -> dict[str, Changed]:
    changed = {}
    for name, facts in told.items():
        crop = _first(members, *(f"{name}.{ending}" for ending in _CROPS))
        if crop is not None:
            changed[str(name)] = Changed(
                crop=crop,
                accessory=members.get(f"{name}.accessory.png"),
                silhouette=members.get(f"{name}.silhouette.png"),
                labels=_numbers(facts.get("labels", {}), where),
                amount=None if facts.get("amount") is None else float(facts["amount"]),
            )
    return changed


def _first(members: Mapping[str, Piece], *names: str) -> Piece | None:
    return next((members[name] for name in names if name in members), None)


def _numbers(values: Mapping[str, Any], where: Path) -> dict[str, float]:
    return {check_label(name, f"{where}.json"): float(value) for name, value in values.items()}
