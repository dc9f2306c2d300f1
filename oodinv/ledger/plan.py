"""Planning: what is new in the source is dealt to new shards; what a product lacks is work."""

from collections.abc import Sequence

import pyarrow as pa

from oodinv.ledger.commit import list_commits
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sample_id
from oodinv.ledger.inputs import PHOTO_SUFFIXES, is_photo_key
from oodinv.ledger.inventory import INVENTORY_SCHEMA, PREFIX, SUFFIX, Inventory, concatenate, load_or_empty
from oodinv.ledger.numbered import create_until_known
from oodinv.ledger.parquet import to_parquet
from oodinv.store import ObjectInfo, Store

_MAX_RACES = 100


def plan_inventory(source: Store, target: Store, shard_size: int = 256) -> Inventory:
    """Freeze what the source holds now, beside what was frozen before.

    New keys, and keys whose etag changed (next generation), go to new shards of the next inventory part, sorted by
    key. What was dealt stays where it is, vanished photos too. An unchanged source writes nothing. Two planners at
    once are safe: the part's number decides, the slower one looks again at what is left.

    Args:
        source: The photos.
        target: The dataset.
        shard_size: Samples per new shard, at least 1. Shards dealt before keep their size.

    Returns:
        Everything dealt so far, with what this call added.

    Raises:
        LedgerError: No photo in the source; or the inventory is damaged.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, got {shard_size}")
    for _ in range(_MAX_RACES):
        # In this order: whoever deals after our look at the source takes our number, so an old look never wins.
        before = load_or_empty(target)
        photos, ignored = _photos(source)
        number = before.parts + 1
        part = _deal(photos, before.table, number, shard_size)
        if not part.num_rows:
            return Inventory(table=before.table, parts=before.parts, ignored=ignored)
        if create_until_known(target, f"{PREFIX}{number}{SUFFIX}", to_parquet(part)):
            table = concatenate([before.table, part])
            return Inventory(table=table, parts=number, added=part.num_rows, ignored=ignored)
    raise LedgerError(f"{_MAX_RACES} times another planner was faster on {target.uri}: let one finish, then run again")


def missing_work(target: Store, inventory: Inventory, products: Sequence[str]) -> dict[str, list[str]]:
    """Which products each shard lacks, by one listing of commits per product.

    Args:
        target: The dataset.
        inventory: From ``plan_inventory`` or ``load_inventory``.
        products: Names of products, in the order in which they shall come out.

    Returns:
        shard_id → products without a commit, oldest shard first; finished shards are left out, and so are shards
        all of whose samples have a newer generation elsewhere.
    """
    committed = {product: {ref.shard_id for ref in list_commits(target, product)} for product in products}
    missing = {
        shard_id: [product for product in products if shard_id not in committed[product]]
        for shard_id in inventory.live_shards()
    }
    return {shard_id: lacking for shard_id, lacking in missing.items() if lacking}


def _photos(source: Store) -> tuple[list[ObjectInfo], int]:
    """The photos, sorted by key, and the number of objects that are none."""
    photos = []
    ignored = 0
    for info in source.list():
        if is_photo_key(info.key):
            photos.append(info)
        else:
            ignored += 1
    if not photos:
        raise LedgerError(
            f"no photos in {source.uri} ({ignored} other files): expected names ending in "
            f"{' '.join(PHOTO_SUFFIXES)}. Name the folder that holds the photos."
        )
    return photos, ignored


def _deal(photos: Sequence[ObjectInfo], dealt: pa.Table, number: int, shard_size: int) -> pa.Table:
    """The rows of the next part: every photo that ``dealt`` does not hold as it is now."""
    newest: dict[str, tuple[str, int]] = {}
    columns = (dealt[name].to_pylist() for name in ("key", "etag", "generation"))
    for key, etag, generation in zip(*columns, strict=True):
        if generation >= newest.get(key, ("", 0))[1]:
            newest[key] = (etag, generation)
    rows: list[dict[str, str | int]] = []
    for info in photos:
        etag, generation = newest.get(info.key, ("", -1))
        if generation < 0 or etag != info.etag:
            rows.append(
                {
                    "key": info.key,
                    "etag": info.etag,
                    "size": info.size,
                    "sample_id": sample_id(info.key),
                    "shard_id": f"{number}-{len(rows) // shard_size:06d}",
                    "generation": generation + 1,
                }
            )
    return pa.Table.from_pylist(rows, schema=INVENTORY_SCHEMA)
