"""Packs of aligned crops with masks and labels, for training: `python -m oodinv.portraits.pack --help`.

Every photo goes through the same detector and alignment as a user's photo, so what a network learns from is what it
will be given. Several processes fill several folders side by side; each folder is written in chunks and resumes where
it stopped.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from oodinv.faces import crop_transform, extract_crop, load_detector
from oodinv.portraits.accessories import HELD_OUT_KINDS, TRAINING_KINDS
from oodinv.portraits.params import PortraitParams, labels, parameter_names, sample_params, to_vector
from oodinv.portraits.studio import Portrait, Studio

CHUNK = 500
"""Seeds per chunk: what an interrupted run may have to render again."""
FORMAT = 1
PHOTO_SIZE_PER_CROP = 1.75
"""Side of the rendered photo in crop sides: the crop then holds about as many pixels as it covers."""


@dataclass(frozen=True, kw_only=True)
class PackRecipe:
    """What determines the content of a pack."""

    count: int
    """Seeds rendered; those without a found face are left out of the pack."""
    first_seed: int
    crop_size: int
    kinds: tuple[str, ...]
    accessory_share: float
    background_share_busy: float

    def __post_init__(self):
        if self.count < 1 or self.first_seed < 0 or self.crop_size < 16:
            raise ValueError(
                "a pack needs count >= 1, first_seed >= 0 and crop_size >= 16, "
                f"got {self.count}, {self.first_seed}, {self.crop_size}"
            )
        known = TRAINING_KINDS + HELD_OUT_KINDS
        unknown = [kind for kind in self.kinds if kind not in known]
        if unknown or (self.accessory_share > 0 and not self.kinds):
            raise ValueError(f"unknown or no accessory kinds {unknown}: expected some of {', '.join(known)}")
        for name in ("accessory_share", "background_share_busy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class PackSummary:
    """What a pack came to."""

    samples: int
    skipped: int
    skipped_by_kind: dict[str, str]
    """Per accessory kind (``none`` without): not found / rendered."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One aligned portrait."""

    crop: UInt8[np.ndarray, "3 size size"]
    accessory: UInt8[np.ndarray, "size size"]
    silhouette: UInt8[np.ndarray, "size size"]


def draw_scene(recipe: PackRecipe, seed: int) -> tuple[str | None, str]:
    """Accessory kind (None for none) and background kind of a seed."""
    rng = np.random.default_rng([seed, 3])
    wears, behind, which = rng.random(), rng.random(), rng.random()
    kind = recipe.kinds[int(which * len(recipe.kinds))] if wears < recipe.accessory_share else None
    return kind, "busy" if behind < recipe.background_share_busy else "plain"


def build_pack(
    out_dir: Path,
    *,
    count: int,
    first_seed: int,
    crop_size: int = 128,
    kinds: Sequence[str] = TRAINING_KINDS,
    accessory_share: float = 0.0,
    background_share_busy: float = 0.0,
    progress: bool = True,
) -> PackSummary:
    """Render, detect, align and store portraits of consecutive seeds.

    Args:
        out_dir: Gets crops.npy uint8 [N, 3, S, S], accessory.npy and silhouette.npy uint8 [N, S, S], params.npy
            float32 [N, P], labels.npz (name to float32 [N]), seeds.npy, kinds.json and pack.json.
        count: Number of seeds. Portraits whose face is not found are skipped and counted.
        first_seed: The first of them.
        crop_size: Side of a crop, pixels.
        kinds: Accessories to draw from, evenly.
        accessory_share: Share of portraits that get one.
        background_share_busy: Share of portraits with a busy background.
        progress: Show a bar on stderr.

    Returns:
        How many samples the pack holds and what was skipped.

    Raises:
        ValueError: The recipe is out of range, or the folder holds a pack of another recipe.
    """
    recipe = PackRecipe(
        count=count,
        first_seed=first_seed,
        crop_size=crop_size,
        kinds=tuple(kinds),
        accessory_share=accessory_share,
        background_share_busy=background_share_busy,
    )
    chunks_dir = out_dir / "chunks"
    chunks_dir.mkdir(parents=True, exist_ok=True)
    _claim(out_dir / "recipe.json", recipe)
    if not (out_dir / "pack.json").exists():
        _render_chunks(recipe, chunks_dir, progress=progress)
        _join(recipe, chunks_dir, out_dir)
    summary = json.loads((out_dir / "pack.json").read_text())
    return PackSummary(
        samples=summary["samples"], skipped=summary["skipped"], skipped_by_kind=summary["skipped_by_kind"]
    )


def _claim(path: Path, recipe: PackRecipe) -> None:
    """Write the recipe, or check that a folder begun earlier has the same one."""
    wanted = {"format": FORMAT, **json.loads(json.dumps(asdict(recipe)))}
    if path.exists():
        found = json.loads(path.read_text())
        if found != wanted:
            raise ValueError(f"{path.parent} holds a pack of another recipe ({found}); choose another folder")
    else:
        _write_text(path, json.dumps(wanted, indent=1))


def _render_chunks(recipe: PackRecipe, chunks_dir: Path, *, progress: bool) -> None:
    from tqdm import tqdm

    studio, detector = Studio(), load_detector("centerface")
    end = recipe.first_seed + recipe.count
    with tqdm(total=recipe.count, unit="portrait", disable=not progress) as bar:
        for start in range(recipe.first_seed, end, CHUNK):
            seeds = range(start, min(start + CHUNK, end))
            path = chunks_dir / f"{start}.npz"
            if path.exists():
                bar.update(len(seeds))
                continue
            found: list[tuple[int, Sample]] = []
            for seed in seeds:
                sample = _sample(studio, detector, recipe, seed)
                if sample is not None:
                    found.append((seed, sample))
                bar.update()
            _write_chunk(path, found, recipe.crop_size)


def _sample(studio: Studio, detector, recipe: PackRecipe, seed: int) -> Sample | None:  # noqa: ANN001
    kind, background = draw_scene(recipe, seed)
    size = round(recipe.crop_size * PHOTO_SIZE_PER_CROP)
    portrait = studio.render(sample_params(seed), accessory=kind, background=background, size=size, seed=seed)
    faces = detector.detect(portrait.photo)
    if not faces:
        return None
    return align(portrait, crop_transform(faces[0], recipe.crop_size), recipe.crop_size)


def align(portrait: Portrait, transform: np.ndarray, crop_size: int) -> Sample:
    """Cut photo and masks by the same crop transform; beyond the photo masks are 0."""
    crop = extract_crop(portrait.photo, transform, crop_size)
    height, width = portrait.photo.shape[:2]
    # Masks know no mirror: they get an empty border as wide as the photo before the same resampling.
    layers = np.stack([portrait.accessory_mask, portrait.silhouette, np.zeros_like(portrait.silhouette)], axis=-1)
    padded = np.pad(layers, ((height, height), (width, width), (0, 0)))
    shifted = transform + np.array([[0, 0, width], [0, 0, height]])
    masks = _to_bytes(extract_crop(padded, shifted, crop_size))
    return Sample(crop=_to_bytes(crop), accessory=masks[0], silhouette=masks[1])


def _to_bytes(crop: Float32[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    return np.round((crop + 1) * 127.5).astype(np.uint8)


def _write_chunk(path: Path, found: list[tuple[int, Sample]], size: int) -> None:
    temporary = path.with_suffix(".partial.npz")
    np.savez(
        temporary,
        seeds=np.array([seed for seed, _ in found], dtype=np.int64),
        crops=np.array([sample.crop for _, sample in found], dtype=np.uint8).reshape(-1, 3, size, size),
        accessory=np.array([sample.accessory for _, sample in found], dtype=np.uint8).reshape(-1, size, size),
        silhouette=np.array([sample.silhouette for _, sample in found], dtype=np.uint8).reshape(-1, size, size),
    )
    os.replace(temporary, path)


def _join(recipe: PackRecipe, chunks_dir: Path, out_dir: Path) -> None:
    """Put the chunks together, add what follows from the seeds, write pack.json last and drop the chunks."""
    end = recipe.first_seed + recipe.count
    paths = [chunks_dir / f"{start}.npz" for start in range(recipe.first_seed, end, CHUNK)]
    seeds = np.concatenate([np.load(path)["seeds"] for path in paths])
    for name in ("crops", "accessory", "silhouette"):
        shape = np.load(paths[0])[name].shape[1:]
        target = np.lib.format.open_memmap(
            out_dir / f"{name}.npy", mode="w+", dtype=np.uint8, shape=(len(seeds), *shape)
        )
        position = 0
        for path in paths:
            part = np.load(path)[name]
            target[position : position + len(part)] = part
            position += len(part)
        target.flush()
    portraits = [sample_params(int(seed)) for seed in seeds]
    np.save(out_dir / "seeds.npy", seeds)
    _write_parameters(out_dir, portraits)
    kinds = [draw_scene(recipe, int(seed))[0] for seed in seeds]
    _write_text(out_dir / "kinds.json", json.dumps(kinds))
    _write_text(out_dir / "pack.json", json.dumps(_describe(recipe, seeds, kinds), indent=1))
    for path in paths:
        path.unlink()
    chunks_dir.rmdir()


def _write_parameters(out_dir: Path, portraits: list[PortraitParams]) -> None:
    vectors = [to_vector(params) for params in portraits]
    np.save(out_dir / "params.npy", np.array(vectors, dtype=np.float32).reshape(-1, len(parameter_names())))
    rows = [labels(params) for params in portraits]
    names = labels(sample_params(0)).keys()
    columns = {name: np.array([row[name] for row in rows], np.float32) for name in names}
    np.savez(out_dir / "labels.npz", **columns)  # type: ignore[arg-type]


def _describe(recipe: PackRecipe, seeds: np.ndarray, kinds: list[str | None]) -> dict[str, object]:
    end = recipe.first_seed + recipe.count
    asked = [draw_scene(recipe, seed)[0] or "none" for seed in range(recipe.first_seed, end)]
    got = [kind or "none" for kind in kinds]
    lost = {kind: f"{asked.count(kind) - got.count(kind)}/{asked.count(kind)}" for kind in sorted(set(asked))}
    return {
        "format": FORMAT,
        **asdict(recipe),
        "samples": len(seeds),
        "skipped": recipe.count - len(seeds),
        "skipped_by_kind": lost,
        "parameter_names": list(parameter_names()),
        "label_names": list(labels(sample_params(0))),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("oodinv", "anny", "vtk", "numpy")}


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".partial")
    temporary.write_text(text)
    os.replace(temporary, path)


def _arguments(arguments: Sequence[str] | None) -> Iterator[tuple[str, object]]:
    parser = argparse.ArgumentParser(prog="python -m oodinv.portraits.pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pack")
    parser.add_argument("--count", type=int, required=True, help="seeds to render")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--crop-size", type=int, default=128, help="side of a crop, pixels")
    parser.add_argument("--accessory-share", type=float, default=0.0, help="share of portraits with one, 0 to 1")
    parser.add_argument("--busy-share", type=float, default=0.0, help="share with a busy background, 0 to 1")
    parser.add_argument("--kinds", default=",".join(TRAINING_KINDS), help="accessories, separated by commas")
    parser.add_argument("--no-progress", action="store_true", help="no bar")
    parsed = parser.parse_args(arguments)
    yield "out_dir", parsed.out
    yield "count", parsed.count
    yield "first_seed", parsed.first_seed
    yield "crop_size", parsed.crop_size
    yield "accessory_share", parsed.accessory_share
    yield "background_share_busy", parsed.busy_share
    yield "kinds", tuple(kind for kind in parsed.kinds.split(",") if kind)
    yield "progress", not parsed.no_progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a pack from command-line arguments; several processes may fill several folders."""
    import torch

    torch.set_num_threads(1)
    try:
        summary = build_pack(**dict(_arguments(arguments)))  # type: ignore[arg-type]
    except ValueError as error:
        print(f"pack: {error}", file=sys.stderr)
        return 2
    print(f"{summary.samples} samples, no face found in {summary.skipped} ({summary.skipped_by_kind})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
