"""The files of a pack: chunks while it grows, arrays when it is done. Everything appears by one rename."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from oodinv.portraits.alignment import AlignedPortrait
from oodinv.portraits.params import labels, parameter_names, to_vector
from oodinv.portraits.recipe import PackRecipe, draw_scene
from oodinv.portraits.sampling import sample_params

FORMAT = 1


def claim_folder(folder: Path, recipe: PackRecipe) -> None:
    """Write the recipe into a new folder, or check that a folder begun earlier has the same one.

    Raises:
        ValueError: The folder holds a pack of another recipe.
    """
    (folder / "chunks").mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.json"
    wanted = {"format": FORMAT, **json.loads(json.dumps(asdict(recipe)))}
    if not path.exists():
        write_text(path, json.dumps(wanted, indent=1))
        return
    found = json.loads(path.read_text())
    if found != wanted:
        raise ValueError(f"{folder} holds a pack of another recipe, {found}: choose another folder or the same recipe")


def chunk_path(folder: Path, start: int) -> Path:
    """Where the chunk lies whose first seed is ``start``."""
    return folder / "chunks" / f"{start}.npz"


def write_chunk(path: Path, found: Sequence[tuple[int, AlignedPortrait]], size: int) -> None:
    """Store the seeds and crops of one chunk."""
    temporary = path.with_suffix(".partial.npz")
    np.savez(
        temporary,
        seeds=np.array([seed for seed, _ in found], dtype=np.int64),
        crops=np.array([sample.crop for _, sample in found], dtype=np.uint8).reshape(-1, 3, size, size),
        accessory=np.array([sample.accessory for _, sample in found], dtype=np.uint8).reshape(-1, size, size),
        silhouette=np.array([sample.silhouette for _, sample in found], dtype=np.uint8).reshape(-1, size, size),
    )
    os.replace(temporary, path)


def join_chunks(folder: Path, recipe: PackRecipe, starts: Sequence[int]) -> None:
    """Put the chunks together, add what follows from the seeds, write pack.json last and drop the chunks."""
    paths = [chunk_path(folder, start) for start in starts]
    seeds = np.concatenate([_read(path, "seeds") for path in paths])
    for name in ("crops", "accessory", "silhouette"):
        shape = (len(seeds), *_read(paths[0], name).shape[1:])
        target = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=shape)
        position = 0
        for path in paths:
            part = _read(path, name)
            target[position : position + len(part)] = part
            position += len(part)
        target.flush()
    np.save(folder / "seeds.npy", seeds)
    _write_parameters(folder, seeds)
    kinds = [draw_scene(recipe, int(seed))[0] for seed in seeds]
    write_text(folder / "kinds.json", json.dumps(kinds))
    write_text(folder / "pack.json", json.dumps(_describe(recipe, kinds), indent=1))
    shutil.rmtree(folder / "chunks")


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_suffix(".partial")
    temporary.write_text(text)
    os.replace(temporary, path)


def _read(path: Path, name: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as chunk:
        return chunk[name]


def _write_parameters(folder: Path, seeds: np.ndarray) -> None:
    portraits = [sample_params(int(seed)) for seed in seeds]
    vectors = np.array([to_vector(params) for params in portraits], dtype=np.float32)
    np.save(folder / "params.npy", vectors.reshape(-1, len(parameter_names())))
    rows = [labels(params) for params in portraits]
    columns = {name: np.array([row[name] for row in rows], np.float32) for name in labels(sample_params(0))}
    np.savez(folder / "labels.npz", **columns)  # type: ignore[arg-type]


def _describe(recipe: PackRecipe, kinds: list[str | None]) -> dict[str, object]:
    asked = [draw_scene(recipe, seed)[0] or "none" for seed in recipe.seeds]
    got = [kind or "none" for kind in kinds]
    lost = {kind: f"{asked.count(kind) - got.count(kind)}/{asked.count(kind)}" for kind in sorted(set(asked))}
    return {
        "format": FORMAT,
        **asdict(recipe),
        "samples": len(kinds),
        "skipped": recipe.count - len(kinds),
        "skipped_by_kind": lost,
        "parameter_names": list(parameter_names()),
        "label_names": list(labels(sample_params(0))),
        "versions": {name: version(name) for name in ("oodinv", "anny", "vtk", "numpy")},
    }
