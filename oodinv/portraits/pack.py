"""Packs of aligned crops with masks and labels, for training: `python -m oodinv.portraits.pack --help`.

Every photo goes through the same detector and alignment as a user's photo, so what a network learns from is what it
will be given. Several processes fill several folders side by side; each folder is written in chunks and resumes where
it stopped.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from oodinv.faces import load_detector
from oodinv.portraits.accessories import TRAINING_KINDS
from oodinv.portraits.alignment import find_and_align
from oodinv.portraits.pack_files import chunk_path, claim_folder, join_chunks, write_chunk
from oodinv.portraits.recipe import PackRecipe, draw_scene
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.studio import Studio

CHUNK = 500
"""Seeds per chunk: what an interrupted run may have to render again."""
PHOTO_SIDES_PER_CROP = 1.75
"""Side of the rendered photo in crop sides: a crop then has about as many pixels as the photo under it."""


@dataclass(frozen=True, kw_only=True)
class PackSummary:
    """What a pack came to."""

    samples: int
    skipped: int
    """Portraits in which no face was found."""
    skipped_by_kind: dict[str, str]
    """Per accessory kind (``none`` without): not found / rendered."""


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
    claim_folder(out_dir, recipe)
    if not (out_dir / "pack.json").exists():
        join_chunks(out_dir, recipe, _render_chunks(out_dir, recipe, progress=progress))
    written = json.loads((out_dir / "pack.json").read_text())
    return PackSummary(**{name: written[name] for name in ("samples", "skipped", "skipped_by_kind")})


def _render_chunks(out_dir: Path, recipe: PackRecipe, *, progress: bool) -> range:
    """Render the chunks that are not there yet; returns the first seeds of all."""
    starts = recipe.seeds[::CHUNK]
    studio, detector = Studio(), load_detector("centerface")
    with tqdm(total=recipe.count, unit="portrait", disable=not progress) as bar:
        for start in starts:
            seeds = range(start, min(start + CHUNK, recipe.seeds.stop))
            if chunk_path(out_dir, start).exists():
                bar.update(len(seeds))
                continue
            found = []
            for seed in seeds:
                kind, background = draw_scene(recipe, seed)
                size = round(recipe.crop_size * PHOTO_SIDES_PER_CROP)
                params = sample_params(seed)
                portrait = studio.render(params, accessory=kind, background=background, size=size, seed=seed)
                aligned = find_and_align(portrait, detector, recipe.crop_size)
                if aligned is not None:
                    found.append((seed, aligned))
                bar.update()
            write_chunk(chunk_path(out_dir, start), found, recipe.crop_size)
    return starts


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a pack from command-line arguments; run several processes with several folders to use several cores."""
    import torch

    parsed = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    try:
        summary = build_pack(
            parsed.out,
            count=parsed.count,
            first_seed=parsed.first_seed,
            crop_size=parsed.crop_size,
            kinds=[kind for kind in parsed.kinds.split(",") if kind],
            accessory_share=parsed.accessory_share,
            background_share_busy=parsed.busy_share,
            progress=not parsed.no_progress,
        )
    except ValueError as error:
        print(f"pack: {error}", file=sys.stderr)
        return 2
    lost = ", ".join(f"{kind} {share}" for kind, share in summary.skipped_by_kind.items())
    print(f"{summary.samples} samples; no face found: {lost}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oodinv.portraits.pack", description="Render aligned portraits with masks and labels."
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pack")
    parser.add_argument("--count", type=int, required=True, help="seeds to render")
    parser.add_argument("--first-seed", type=int, default=0, help="default 0")
    parser.add_argument("--crop-size", type=int, default=128, help="side of a crop, pixels; default 128")
    parser.add_argument("--accessory-share", type=float, default=0.0, help="share of portraits with one, 0 to 1")
    parser.add_argument("--busy-share", type=float, default=0.0, help="share with a busy background, 0 to 1")
    parser.add_argument("--kinds", default=",".join(TRAINING_KINDS), help="accessories, separated by commas")
    parser.add_argument("--no-progress", action="store_true", help="no bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
