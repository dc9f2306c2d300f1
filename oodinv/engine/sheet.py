"""The contact sheet of a dataset, from the preview strips its commits list."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from oodinv.engine.settings import Product
from oodinv.engine.strips import SUFFIX, TILE, split_strip
from oodinv.ledger.commit import get_verified, list_commits, read_commit
from oodinv.report.contact_sheet import SheetRow, contact_sheet
from oodinv.store import Store


def dataset_sheet(
    target: Store, products: Sequence[Product], shards: Sequence[str], *, limit: int = 32
) -> Image.Image | None:
    """One row per previewed face: photo, reconstruction, mask, then each product's result.

    Args:
        target: The dataset.
        products: Edit products, one result column each.
        shards: Shards that may hold previews.
        limit: Most faces.

    Returns:
        The sheet; None when no face was previewed.
    """
    strips = {product.slug: _strips(target, product, frozenset(shards), limit) for product in products}
    faces = sorted({face for found in strips.values() for face in found})[:limit]
    if not faces:
        return None
    columns = ["photo", "reconstruction", "mask", *strips]
    return contact_sheet(columns, [_row(face, strips) for face in faces], tile=TILE, across=2)


def _strips(target: Store, product: Product, shards: frozenset[str], limit: int) -> dict[str, np.ndarray]:
    """Preview strips by `<sample>-<face>`."""
    found: dict[str, np.ndarray] = {}
    for commit_id in list_commits(target, product.name):
        if commit_id.shard_id not in shards:
            continue
        for obj in read_commit(target, commit_id).objects:
            if obj.key.endswith(SUFFIX) and len(found) < limit:
                face = obj.key.rsplit("/", 1)[1].removesuffix(SUFFIX)
                found[face] = np.asarray(Image.open(io.BytesIO(get_verified(target, obj)), formats=("JPEG",)))
    return found


def _row(face: str, strips: Mapping[str, Mapping[str, np.ndarray]]) -> SheetRow:
    pictures = {slug: split_strip(found[face]) for slug, found in strips.items() if face in found}
    first = next(iter(pictures.values()))
    results = [pictures[slug]["result"] if slug in pictures else None for slug in strips]
    return SheetRow(tiles=[first["photo"], first["reconstruction"], first["mask"], *results])
