"""How a network was trained, kept beside its weights: for its card, and to tell whether networks belong together."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oodinv.training.atomic import write_whole
from oodinv.training.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class Record:
    """A training that has ended."""

    kind: str
    settings: Mapping[str, Any]
    """Of its recipe, every one."""
    fingerprint: Mapping[str, Any]
    """See `training.fingerprint`: pictures, and the digests of the frozen networks it was trained against."""
    steps: int

    @staticmethod
    def settings_of(config: Any) -> dict[str, Any]:
        """A recipe's dataclass as JSON has it."""
        settings: dict[str, Any] = json.loads(json.dumps(asdict(config)))
        return settings

    @property
    def pictures(self) -> int:
        """How many different ones there were."""
        return int(self.fingerprint.get("pictures", {}).get("count", 0))

    def write(self, folder: Path) -> None:
        """Write `<kind>.record.json`."""
        write_whole(folder / f"{self.kind}.record.json", json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, folder: Path, kind: str) -> "Record | None":
        """What `write` wrote; None where it wrote nothing.

        Raises:
            TrainingError: The file is damaged.
        """
        path = folder / f"{kind}.record.json"
        try:
            told = json.loads(path.read_bytes())
            return cls(
                kind=kind,
                settings=dict(told["settings"]),
                fingerprint=dict(told["fingerprint"]),
                steps=int(told["steps"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} cannot be read ({str(error)[:200]}): copy the trained folder again") from error
