"""What a network has seen in training, kept beside its weights, so that nothing of it is measured on by mistake."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from oodinv.training.atomic import write_whole
from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError

_DIGITS = 12
"""Of each picture's hash: enough to tell millions of pictures apart."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Pictures of a training."""

    seeds: tuple[tuple[int, int], ...]
    """Of rendered portraits: ranges, first and last, rising."""
    designs: tuple[str, ...]
    """Of accessories."""
    pictures: tuple[str, ...]
    """Beginnings of the hashes of photos, which have no seeds."""

    @classmethod
    def of(cls, data: Dataset) -> "Seen":
        """What a dataset shows."""
        seeds = np.unique(data.seeds[data.seeds >= 0])
        parts = np.split(seeds, np.nonzero(np.diff(seeds) > 1)[0] + 1) if len(seeds) else []
        photos = [content for content, seed in zip(data.hashes, data.seeds, strict=True) if seed < 0]
        return cls(
            seeds=tuple((int(part[0]), int(part[-1])) for part in parts),
            designs=tuple(sorted({design for design in data.designs if design})),
            pictures=tuple(sorted(content[:_DIGITS] for content in photos)),
        )

    @classmethod
    def together(cls, each: Sequence["Seen"]) -> "Seen":
        """What any of several trainings has seen."""
        ranges: list[tuple[int, int]] = []
        for first, last in sorted(pair for seen in each for pair in seen.seeds):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = ranges[-1][0], max(last, ranges[-1][1])
            else:
                ranges.append((first, last))
        return cls(
            seeds=tuple(ranges),
            designs=tuple(sorted({design for seen in each for design in seen.designs})),
            pictures=tuple(sorted({picture for seen in each for picture in seen.pictures})),
        )

    def to_bytes(self) -> bytes:
        """JSON that `read` understands."""
        return json.dumps(asdict(self)).encode()

    def write(self, folder: Path, kind: str) -> None:
        """Write `<kind>.seen.json`."""
        write_whole(_path(folder, kind), self.to_bytes())

    @classmethod
    def read(cls, folder: Path, kind: str = "") -> "Seen | None":
        """What `write` wrote, or without a kind a bundle's `seen.json`; None where there is no such file.

        Raises:
            TrainingError: The file is damaged.
        """
        path = _path(folder, kind)
        try:
            told = json.loads(path.read_bytes())
            return cls(
                seeds=tuple((int(first), int(last)) for first, last in told["seeds"]),
                designs=tuple(str(design) for design in told["designs"]),
                pictures=tuple(str(picture) for picture in told["pictures"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} cannot be read ({str(error)[:200]}): copy the trained folder again") from error

    def shared_with(self, data: Dataset) -> str:
        """What a dataset shows that was seen, as in "40 seeds, 2 designs"; empty = nothing."""
        first, last = np.array(self.seeds, dtype=np.int64).reshape(-1, 2).T
        where = np.searchsorted(first, data.seeds, side="right") - 1
        seeds = int(((where >= 0) & (data.seeds <= last[where])).sum()) if len(first) else 0
        counts = {
            "seeds": seeds,
            "accessory designs": len(set(self.designs) & set(data.designs)),
            "pictures": len(set(self.pictures) & {content[:_DIGITS] for content in data.hashes}),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _path(folder: Path, kind: str) -> Path:
    return folder / (f"{kind}.seen.json" if kind else "seen.json")


def refuse_test(data: Dataset) -> None:
    """Nothing is trained on a test split.

    Raises:
        TrainingError: Some of the pictures are of one.
    """
    if "test" in data.splits:
        raise TrainingError(
            f"{data.origin or 'this dataset'} holds the test split, on which models are measured: train on another, "
            "`oodinv portraits render --split train`"
        )
