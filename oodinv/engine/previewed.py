"""Which samples are shown to people: few, and the same ones in every run."""

import heapq

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.inventory import Inventory

MAX_PREVIEWS = 32


def preview_samples(inventory: Inventory) -> frozenset[str]:
    """The samples whose faces are shown: those with the smallest ids, whatever the order or the shards."""
    smallest: list[str] = []
    for table in inventory.rows(["sample_id"]):
        smallest = heapq.nsmallest(MAX_PREVIEWS, {*smallest, *table["sample_id"].to_pylist()})
    return frozenset(smallest)


def preview_shards(inventory: Inventory, previews: frozenset[str]) -> tuple[str, ...]:
    """The shards that hold these samples: only their commits are read for the contact sheet."""
    wanted = pa.array(sorted(previews), pa.string())
    held: set[str] = set()
    for table in inventory.rows(["sample_id", "shard_id"]):
        held.update(table.filter(pc.is_in(table["sample_id"], value_set=wanted))["shard_id"].to_pylist())
    return tuple(sorted(held))
