"""Planning: what is new in the source is dealt to new shards; what a product lacks is work."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import pyarrow as pa

from oodinv.ledger.commit import list_commits
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sample_id
from oodinv.ledger.inputs import PHOTO_SUFFIXES, is_photo_key
from oodinv.ledger.inventory import PREFIX, SUFFIX, Inventory, load_or_empty
from oodinv.ledger.inventory_part import INVENTORY_SCHEMA, InventoryPart, part_bytes
from oodinv.ledger.numbered import create_until_known
from oodinv.store import ObjectInfo, Store

_MAX_RACES = 100
MOST_ROWS = 65_536
"""Of one part; more new photos make several parts."""


def plan_inventory(source: Store, target: Store, shard_size: int = 256) -> Inventory:
    """Freeze what the source holds now, beside what was frozen before.

    New keys, and keys whose etag changed (next generation), go to new shards of the next inventory parts, sorted by
    key. What was dealt stays where it is, vanished photos too. An unchanged source writes nothing. Two planners at
    once are safe: the part's number decides, the slower one looks again at what is left. One that dies between two
    parts has dealt the first: the next one deals the rest. Memory: one part, however many photos there are.

    Args:
        source: The photos.
        target: The dataset.
        shard_size: Samples per new shard, at least 1. Shards dealt before keep their size.

    Returns:
        Everything dealt so far, with what this call added.

    Raises:
        LedgerError: No photo in the source; the inventory is damaged; or the source lists in no order.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size must be at least 1, got {shard_size}")
    for _ in range(_MAX_RACES):
        # In this order: whoever deals after our look at the source takes our number, so an old look never wins.
        inventory, photos = load_or_empty(target), _Photos(source)
        added = 0
        for table in _parts(_new(photos, inventory), inventory.parts + 1, shard_size):
            key, data = f"{PREFIX}{inventory.parts + 1}{SUFFIX}", part_bytes(table)
            if not create_until_known(target, key, data):
                break  # another planner has this number: what it dealt is not new any more
            inventory = Inventory(held=(*inventory.held, InventoryPart(data, key)))
            added += table.num_rows
        else:
            photos.check_any()
            return replace(inventory, added=added, ignored=photos.ignored)
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


class _Photos:
    """The photos of a source in the order of their keys; counts what is none."""

    def __init__(self, source: Store):
        self._source, self._found, self.ignored = source, 0, 0

    def __iter__(self) -> Iterator[ObjectInfo]:
        last = ""
        for info in self._source.list():
            if info.key <= last:
                raise LedgerError(
                    f"{self._source.uri} lists {info.key!r:.120} after {last!r:.120}: expected the order of keys"
                )
            last = info.key
            if is_photo_key(info.key):
                self._found += 1
                yield info
            else:
                self.ignored += 1

    def check_any(self) -> None:
        """Raise LedgerError if there was none."""
        if not self._found:
            raise LedgerError(
                f"no photos in {self._source.uri} ({self.ignored} other files): expected names ending in "
                f"{' '.join(PHOTO_SUFFIXES)}. Name the folder that holds the photos."
            )


def _new(photos: Iterable[ObjectInfo], inventory: Inventory) -> Iterator[tuple[ObjectInfo, int]]:
    """Photos that are not dealt as they are now, with their generation. Both sides come in the order of keys."""
    dealt = inventory.versions()
    version = next(dealt, None)
    for info in photos:
        while version is not None and version[0] < info.key:
            version = next(dealt, None)
        if version is None or version[0] != info.key:
            yield info, 0
        elif version[1] != info.etag:
            yield info, version[2] + 1


def _parts(new: Iterator[tuple[ObjectInfo, int]], number: int, shard_size: int) -> Iterator[pa.Table]:
    """The rows of the next parts, the first of which has this number; no part holds more than fits into memory."""
    rows = max(MOST_ROWS // shard_size, 1) * shard_size
    while batch := list(islice(new, rows)):
        infos = [info for info, _ in batch]
        yield pa.table(
            [
                [info.key for info in infos],
                [info.etag for info in infos],
                [info.size for info in infos],
                [sample_id(info.key) for info in infos],
                [f"{number}-{index // shard_size:06d}" for index in range(len(infos))],
                [generation for _, generation in batch],
            ],
            schema=INVENTORY_SCHEMA,
        )
        number += 1
