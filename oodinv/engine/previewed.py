"""Which samples are shown to people: few, and the same ones in every run."""

import heapq

import pyarrow.compute as pc

from oodinv.ledger.inventory import Inventory

MAX_PREVIEWS = 32


def preview_samples(inventory: Inventory) -> frozenset[str]:
    """The samples whose faces are shown: those with the smallest ids, whatever the order or the shards."""
    return frozenset(heapq.nsmallest(MAX_PREVIEWS, set(inventory.table["sample_id"].to_pylist())))


def preview_shards(inventory: Inventory, previews: frozenset[str]) -> tuple[str, ...]:
    """The shards that hold these samples: only their commits are read for the contact sheet."""
    held = inventory.table.filter(pc.field("sample_id").isin(list(previews)))
    return tuple(sorted(set(held["shard_id"].to_pylist())))
