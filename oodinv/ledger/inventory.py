"""The frozen list of inputs: what was dealt to which shard. Grows by numbered parts; nothing is dealt twice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sample_id
from oodinv.ledger.numbered import check_complete, numbers
from oodinv.ledger.parquet import from_parquet
from oodinv.store import Store

PREFIX, SUFFIX = "inventory/", ".parquet"

INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("shard_id", pa.string(), nullable=False),
        pa.field("generation", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One input object in one of its versions."""

    key: str
    etag: str
    size: int
    shard_id: str
    generation: int
    """0 when first seen, one more each time its etag changed."""

    @property
    def sample_id(self) -> str:
        """Follows from the key."""
        return sample_id(self.key)

    def row_fields(self) -> dict[str, str | int]:
        """The columns of its rows that the inventory knows."""
        return {
            "sample_id": self.sample_id,
            "src_key": self.key,
            "src_etag": self.etag,
            "src_bytes": self.size,
            "shard_id": self.shard_id,
            "generation": self.generation,
        }


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The samples that are processed and committed together, in the order of their keys."""

    shard_id: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All parts together."""

    table: pa.Table
    """Rows of INVENTORY_SCHEMA in the order in which they were dealt."""

    parts: int
    """Number of the newest part."""

    added: int = 0
    """Entries that this plan dealt: new photos and changed ones."""

    ignored: int = 0
    """Objects of the source that are no photos (see ``inputs.PHOTO_SUFFIXES``); counted while planning only."""

    def shards(self) -> tuple[str, ...]:
        """All shard ids, oldest first."""
        return tuple(self._extents)

    def live_shards(self) -> tuple[str, ...]:
        """Shards with at least one sample in its newest generation; the others need no work any more."""
        replaced = Counter(
            shard_id
            for history in self.changed.values()
            for generation, shard_id in history.items()
            if generation < max(history)
        )
        return tuple(shard_id for shard_id, (_, length) in self._extents.items() if replaced[shard_id] < length)

    def samples(self, shard_id: str) -> tuple[Sample, ...]:
        """The samples of a shard, sorted by key.

        Raises:
            LedgerError: No such shard.
        """
        if shard_id not in self._extents:
            raise LedgerError(f"no shard {shard_id!r} in this inventory of {len(self._extents)} shards")
        offset, length = self._extents[shard_id]
        rows = self.table.slice(offset, length).drop_columns(["sample_id"]).to_pylist()
        return tuple(Sample(**row) for row in rows)

    def shard(self, shard_id: str) -> Shard:
        """A shard with its samples; raises as ``samples``."""
        return Shard(shard_id=shard_id, samples=self.samples(shard_id))

    def size_of(self, shard_id: str) -> int:
        """Number of samples of a shard."""
        return self._extents[shard_id][1]

    def live_generation(self, sample_id: str) -> int:
        """The newest generation of a sample that the inventory knows."""
        return max(self.changed.get(sample_id, (0,)))

    @property
    def num_samples(self) -> int:
        """Inputs, each counted once whatever its generation."""
        return self.table.num_rows - sum(len(history) - 1 for history in self.changed.values())

    @cached_property
    def changed(self) -> dict[str, dict[int, str]]:
        """For samples with more than one generation only: sample_id → generation → shard_id."""
        later = pc.unique(self.table.filter(pc.field("generation") > 0)["sample_id"])
        rows = self.table.filter(pc.field("sample_id").isin(later))
        found: dict[str, dict[int, str]] = {}
        for row in rows.select(["sample_id", "generation", "shard_id"]).to_pylist():
            found.setdefault(row["sample_id"], {})[row["generation"]] = row["shard_id"]
        return found

    @cached_property
    def _extents(self) -> dict[str, tuple[int, int]]:
        """shard_id → (first row, number of rows)."""
        extents: dict[str, tuple[int, int]] = {}
        offset = 0
        for shard_id, rows in groupby(self.table["shard_id"].to_pylist()):
            length = sum(1 for _ in rows)
            if shard_id in extents:
                raise LedgerError(f"shard {shard_id!r} is dealt twice in the inventory: run `oodinv dataset fsck`")
            extents[shard_id] = (offset, length)
            offset += length
        return extents


def load_inventory(target: Store) -> Inventory:
    """Read all parts.

    Raises:
        LedgerError: None there, one is missing, or one is not ours.
    """
    inventory = load_or_empty(target)
    if not inventory.parts:
        raise LedgerError(f"no inventory in {target.uri}: this is not a dataset yet. Run `oodinv augment` first.")
    return inventory


def load_or_empty(target: Store) -> Inventory:
    """As ``load_inventory``, but a target without inventory gives an empty one."""
    found = numbers(target, PREFIX, SUFFIX)
    check_complete(found, PREFIX, SUFFIX, target.uri)
    tables = [read_inventory_part(target, number) for number in found]
    return Inventory(table=concatenate(tables), parts=len(found))


def read_inventory_part(target: Store, number: int) -> pa.Table:
    """One part as it was written."""
    key = f"{PREFIX}{number}{SUFFIX}"
    return from_parquet(target.get(key), INVENTORY_SCHEMA, f"{key} in {target.uri}")


def concatenate(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of inventory rows, one after another; an empty table for none."""
    return pa.concat_tables([INVENTORY_SCHEMA.empty_table(), *tables]).combine_chunks()
