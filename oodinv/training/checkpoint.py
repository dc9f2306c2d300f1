"""Checkpoints: one folder per saved step, whole or not there at all.

`step-00001200/` holds pieces `0000.safetensors` … and `index.json`, which says whose state this is and hashes every
piece. A folder gets its name when all of it is on the disk; what a killed process leaves has another name and is
removed by the next one.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from oodinv.training.errors import CheckpointError
from oodinv.training.pieces import PIECE_BYTES, from_pieces, pieces_of
from oodinv.training.state_tree import State, put_together, take_apart

FORMAT = 1
CHECKPOINTS = "checkpoints"
"""Folder in a training's folder."""
_NAME = re.compile(r"step-(\d{8,})")
_UNFINISHED = "unfinished-"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A state that was saved after `step` steps."""

    path: Path
    step: int
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training."""

    def __init__(self, folder: Path, *, kind: str, fingerprint: Mapping[str, Any], keep: int = 2):
        """Args as they must be of every checkpoint read.

        Args:
            folder: Holds them; made when the first one is saved.
            kind: Of the training, such as "generator".
            fingerprint: Configuration that a resumed run must share; JSON.
            keep: How many of the newest stay.
        """
        self.folder, self.kind, self.keep = folder, kind, keep
        self.fingerprint = json.loads(json.dumps(fingerprint))

    def clean(self) -> None:
        """Remove what interrupted saves and removals left."""
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def paths(self) -> list[Path]:
        """Finished checkpoints, oldest first."""
        found = [path for path in self.folder.glob("step-*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=_step)

    def save(self, step: int, state: State, *, piece_bytes: int = PIECE_BYTES) -> Path:
        """Save the state after `step` steps; older ones than the newest `keep` go.

        Raises:
            OSError: It cannot be written. Nothing of it stays, and older checkpoints do.
        """
        target = self.folder / f"step-{step:08d}"
        if target.exists():  # a step is a function of the state before it: what lies there is the same
            return target
        temporary = self.folder / f"{_UNFINISHED}{target.name}-{os.getpid()}"
        try:
            temporary.mkdir(parents=True)
            self._write(temporary, step, state, piece_bytes)
            os.rename(temporary, target)
            _sync(self.folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for old in self.paths()[: -self.keep]:
            # Renamed first: a kill while it is being removed must not leave half of it under its name.
            doomed = self.folder / f"{_UNFINISHED}{old.name}"
            os.rename(old, doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        return target

    def load(self) -> Checkpoint | None:
        """The newest checkpoint, every byte checked; None when there is none.

        Raises:
            CheckpointError: It is damaged, or of another training.
        """
        paths = self.paths()
        return self.read(paths[-1]) if paths else None

    def read(self, path: Path) -> Checkpoint:
        """One checkpoint, every byte checked.

        Raises:
            CheckpointError: It is damaged, or of another training.
        """
        index = _index(path)
        self._is_ours(path, index)
        try:
            files = [_piece(path, number, piece) for number, piece in enumerate(index["pieces"])]
            state = put_together(index["tree"], from_pieces(files, index["tensors"]))
            return Checkpoint(path=path, step=int(index["step"]), state=dict(state))
        except (AttributeError, KeyError, IndexError, TypeError, RuntimeError, ValueError, SafetensorError) as error:
            raise _damaged(path, f"index.json and pieces do not belong together: {str(error)[:200]}") from error

    def _write(self, folder: Path, step: int, state: State, piece_bytes: int) -> None:
        tree, tensors = take_apart(state)
        table: dict[str, Any] = {}
        pieces = []
        for number, data in enumerate(pieces_of(tensors, table, piece_bytes)):
            _write_synced(folder / _piece_name(number), data)
            pieces.append({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
        index = {
            "format": FORMAT,
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "step": step,
            "pieces": pieces,
            "tensors": table,
            "tree": tree,
        }
        _write_synced(folder / "index.json", json.dumps(index | {"sha256": _digest(index)}).encode())
        _sync(folder)

    def _is_ours(self, path: Path, index: Mapping[str, Any]) -> None:
        if index.get("kind") != self.kind:
            raise CheckpointError(
                f"{path} is of a training of another kind: expected {self.kind}, found {_short(index.get('kind'))}. "
                "Choose another folder for this training"
            )
        theirs = dict(index.get("fingerprint") or {})
        if theirs == self.fingerprint:
            return
        differences = [
            f"{name}: expected {_short(self.fingerprint.get(name))}, found {_short(theirs.get(name))}"
            for name in sorted(self.fingerprint.keys() | theirs.keys())
            if self.fingerprint.get(name) != theirs.get(name)
        ]
        raise CheckpointError(
            f"{path} was trained with another configuration ({'; '.join(differences)[:600]}). Train with the one it "
            "was begun with, or choose another folder"
        )


def _piece(path: Path, number: int, expected: Mapping[str, Any]) -> bytes:
    file = path / _piece_name(number)
    data = file.read_bytes() if file.is_file() else None
    if data is None or hashlib.sha256(data).hexdigest() != expected["sha256"]:
        found = "no such file" if data is None else f"{len(data)} bytes with another sha256"
        raise _damaged(path, f"{file.name}: expected {expected['bytes']} bytes, found {found}")
    return data


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads((path / "index.json").read_bytes())
        sha256 = index.pop("sha256")
    except FileNotFoundError as error:
        raise _damaged(path, "expected an index.json, found none") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(path, f"index.json cannot be read: {str(error)[:200]}") from error
    if index.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has another format: expected {FORMAT}, found {_short(index.get('format'))}. Use the version of "
            "this program that wrote it, or choose another folder"
        )
    if _digest(index) != sha256:
        raise _damaged(path, "index.json: expected the content it was written with, found another sha256")
    return index


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is damaged ({what}). Remove this folder: the training then goes on from the checkpoint before it, or "
        "begins anew when there is none"
    )


def _piece_name(number: int) -> str:
    return f"{number:04d}.safetensors"


def _digest(index: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def last_step(folder: Path) -> int:
    """Steps done at the newest checkpoint of a training's folder; 0 where there is none."""
    paths = Checkpoints(folder / CHECKPOINTS, kind="", fingerprint={}).paths()
    return _step(paths[-1]) if paths else 0


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
