"""A data set of portraits as files: photos, masks, silhouettes and a table of labels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from oodinv.portraits.accessories import TRAINING_KINDS
from oodinv.portraits.params import labels
from oodinv.portraits.recipe import PackRecipe, draw_scene
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.studio import Portrait, Studio

_LABEL_NAMES = tuple(labels(sample_params(0)))
LABEL_SCHEMA = pa.schema(
    [
        ("seed", pa.int64()),
        ("accessory", pa.string()),
        ("background", pa.string()),
        *((name, pa.float32()) for name in _LABEL_NAMES),
    ]
)
"""Columns of labels.parquet; ``accessory`` is null for none, the others are as in `params.labels`."""


def render_dataset(
    out_dir: Path, *, count: int, first_seed: int, size: int, accessories: bool, progress: bool = True
) -> int:
    """Write photos/<seed>.png, masks/<seed>.png (accessory), silhouettes/<seed>.png and labels.parquet.

    Photos that are already there are rendered again: a seed always gives the same file.

    Args:
        out_dir: Folder to write to; made if absent.
        count: Number of portraits.
        first_seed: Seed of the first; the others follow.
        size: Width and height of the photos, pixels.
        accessories: Half of the portraits wear or hold something, and half stand before a busy background.
        progress: Show a bar on stderr.

    Returns:
        How many portraits were written.

    Raises:
        ValueError: A number is out of range.
    """
    share = 0.5 if accessories else 0.0
    recipe = PackRecipe(
        count=count,
        first_seed=first_seed,
        crop_size=size,
        kinds=TRAINING_KINDS,
        accessory_share=share,
        background_share_busy=share,
    )
    for name in ("photos", "masks", "silhouettes"):
        (out_dir / name).mkdir(parents=True, exist_ok=True)
    rows = []
    bar = tqdm(_portraits(recipe, size), total=count, unit="portrait", disable=not progress)
    for row, portrait in bar:
        _save(portrait.photo, out_dir / "photos" / f"{row['seed']}.png")
        _save(portrait.accessory_mask, out_dir / "masks" / f"{row['seed']}.png")
        _save(portrait.silhouette, out_dir / "silhouettes" / f"{row['seed']}.png")
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=LABEL_SCHEMA), out_dir / "labels.parquet")
    return len(rows)


def _portraits(recipe: PackRecipe, size: int) -> Iterator[tuple[dict[str, Any], Portrait]]:
    studio = Studio()
    for seed in recipe.seeds:
        kind, background = draw_scene(recipe, seed)
        params = sample_params(seed)
        row = {"seed": seed, "accessory": kind, "background": background, **labels(params)}
        yield row, studio.render(params, accessory=kind, background=background, size=size, seed=seed)


def _save(pixels: np.ndarray, path: Path) -> None:
    Image.fromarray(pixels).save(path, optimize=False)
