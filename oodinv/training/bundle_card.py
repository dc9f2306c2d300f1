"""The model card of a bundle that was trained: what each part saw, for how long, with which settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oodinv.training.recipes import RECIPES
from oodinv.training.record import Record
from oodinv.training.seen import Seen

MEASURED = "## What was measured"
"""Heading of the section that an evaluation fills."""
_COLUMNS = 6


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a bundle."""

    name: str
    parameters: int
    """Numbers in its network; 0 for directions."""
    record: Record | None
    """None: it came from a bundle, or nobody wrote it down."""
    told: str | None = None
    """What the card of the bundle that it came from says of it, see `row_of`."""


def write_card(
    name: str,
    parts: Sequence[Part],
    seen: Seen | None,
    *,
    resolution: int,
    dtype: str,
    licence: str,
    provenance: str,
    note: str = "",
    limits: str = "",
) -> str:
    """The card, Markdown; `oodinv evaluate` and `oodinv.evaluation.card` fill in what was measured.

    Args:
        name: The bundle's.
        parts: In the order they were trained in.
        seen: What any of them has seen in training; None = not known.
        resolution: Side of what is drawn, in pixels.
        dtype: What the weights are stored in.
        licence: The bundle's.
        provenance: The bundle's.
        note: Text for the beginning.
        limits: Text that says what it is not good for.
    """
    lines = [f"# {name}", "", *([note, ""] if note else []), f"Draws {resolution} pixels; weights in {dtype}.", ""]
    lines += ["## How it was made", "", "| part | parameters | pictures | steps | images | set otherwise than usual |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    lines += [_row(part) for part in parts]
    lines += ["", *_seen(seen), "", f"Provenance: {provenance}.", "", MEASURED, "", "Nothing yet.", ""]
    lines += ["## Limits", "", limits, ""] if limits else []
    lines += ["## Licence", "", f"{licence}.", ""]
    return "\n".join(lines)


def row_of(card: str, name: str) -> str | None:
    """A part's row in the table of a card, so that another card can say it again; None where there is none."""
    rows = [line for line in card.splitlines() if line.startswith(f"| {name} |") and line.count(" | ") == _COLUMNS - 1]
    return rows[0] if rows else None


def _row(part: Part) -> str:
    if part.record is None and part.told is not None:
        return part.told
    size = f"{part.parameters / 1e6:.1f} M" if part.parameters else "–"
    if part.record is None:
        return f"| {part.name} | {size} | – | – | – | from a bundle, or not recorded |"
    record = part.record
    batch = _find(record.settings, "batch")
    images = f"{record.steps * batch}" if isinstance(batch, int) and part.name != "directions" else "–"
    changed = "; ".join(f"`{name}` {value}" for name, value in _changed(part.name, record.settings)) or "nothing"
    if record.fingerprint.get("begin") is not None:
        changed = f"begun from another, whose images are not counted here; {changed}"
    return f"| {part.name} | {size} | {record.pictures} | {record.steps} | {images} | {changed} |"


def _changed(kind: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings that differ from the recipe's defaults."""
    usual = Record.settings_of(RECIPES[kind].config())
    return _differing("", settings, usual)


def _differing(prefix: str, settings: Mapping[str, Any], usual: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        other = usual.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _differing(f"{prefix}{name}.", value, other)
        elif value != other:
            yield f"{prefix}{name}", value


def _find(settings: Mapping[str, Any], name: str) -> Any:
    training = settings.get("training", {})
    return training.get(name) if isinstance(training, Mapping) else None


def _seen(seen: Seen | None) -> list[str]:
    if seen is None:
        return ["What was seen in training is not known of every part."]
    count = sum(last - first + 1 for first, last in seen.seeds)
    told = []
    if count:
        told.append(f"{count} rendered portraits with {len(seen.designs)} designs of accessories (`seen.json`)")
    if seen.pictures:
        told.append(f"{len(seen.pictures)} photos (beginnings of their hashes in `seen.json`)")
    return ["Seen in training: " + (" and ".join(told) or "nothing that has a name") + "."]
