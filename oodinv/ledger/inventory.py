"""The frozen list of inputs: what was dealt to which shard. Grows by numbered parts; nothing is dealt twice.

A million photos are too many to keep in memory for as long as a run lasts: parts lie in unnamed temporary files, of
which the rows of one shard are read when they are wanted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sample_id
from oodinv.ledger.inventory_part import InventoryPart
from oodinv.ledger.numbered import check_complete, numbers
from oodinv.store import Store

PREFIX, SUFFIX = "inventory/", ".parquet"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One input object in one of its versions."""

    key: str
    etag: str
    size: int
    shard_id: str
    generation: int
    """0 when first seen, one more each time its etag changed."""

    @cached_property
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
    """All parts together. Memory: a few words for each shard, and the versions of photos that changed."""

    held: tuple[InventoryPart, ...]
    """Oldest first."""

    added: int = 0
    """Entries that this plan dealt: new photos and changed ones."""

    ignored: int = 0
    """Objects of the source that are no photos (see ``inputs.PHOTO_SUFFIXES``); counted while planning only."""

    @property
    def parts(self) -> int:
        """Number of the newest part."""
        return len(self.held)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All rows of INVENTORY_SCHEMA in the order in which they were dealt, some thousands at a time."""
        for part in self.held:
            yield from part.rows(columns)

    def versions(self) -> Iterator[tuple[str, str, int]]:
        """Key, etag and generation of the newest version of every input, sorted by key."""
        streams = [_versions(part) for part in self.held]
        for key, versions in groupby(merge(*streams), key=lambda version: version[0]):
            generation, etag = max((generation, etag) for _, generation, etag in versions)
            yield key, etag, generation

    def shards(self) -> tuple[str, ...]:
        """All shard ids, oldest first."""
        return tuple(self._places)

    def live_shards(self) -> tuple[str, ...]:
        """Shards with at least one sample in its newest generation; the others need no work any more."""
        replaced = Counter(
            shard_id
            for history in self.changed.values()
            for generation, shard_id in history.items()
            if generation < max(history)
        )
        return tuple(shard_id for shard_id in self._places if replaced[shard_id] < self.size_of(shard_id))

    def samples(self, shard_id: str) -> tuple[Sample, ...]:
        """The samples of a shard, sorted by key.

        Raises:
            LedgerError: No such shard.
        """
        if shard_id not in self._places:
            raise LedgerError(f"no shard {shard_id!r} in this inventory of {len(self._places)} shards")
        part = self.held[self._places[shard_id]]
        rows = part.shard_rows(shard_id).drop_columns(["sample_id"]).to_pylist()
        return tuple(Sample(**row) for row in rows)

    def shard(self, shard_id: str) -> Shard:
        """A shard with its samples; raises as ``samples``."""
        return Shard(shard_id=shard_id, samples=self.samples(shard_id))

    def size_of(self, shard_id: str) -> int:
        """Number of samples of a shard."""
        return self.held[self._places[shard_id]].extents[shard_id][1]

    def live_generation(self, sample_id: str) -> int:
        """The newest generation of a sample that the inventory knows."""
        return max(self.changed.get(sample_id, (0,)))

    @cached_property
    def num_samples(self) -> int:
        """Inputs, each counted once whatever its generation."""
        return sum(part.num_new for part in self.held)

    @cached_property
    def changed(self) -> dict[str, dict[int, str]]:
        """For samples with more than one generation only: sample_id → generation → shard_id."""
        columns = ["sample_id", "generation", "shard_id"]
        found: dict[str, dict[int, str]] = {}
        for table in self._rows_of_later(["sample_id", "generation"]):
            found |= {name: {} for name in table["sample_id"].to_pylist()}
        if not found:
            return found
        wanted = pa.array(list(found), pa.string())
        for table in self.rows(columns):
            for row in table.filter(pc.is_in(table["sample_id"], value_set=wanted)).to_pylist():
                found[row["sample_id"]][row["generation"]] = row["shard_id"]
        return found

    def _rows_of_later(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for part in self.held:
            if part.num_new < part.num_rows:
                for table in part.rows(columns):
                    yield table.filter(pc.field("generation") > 0)

    @cached_property
    def _places(self) -> dict[str, int]:
        """shard_id → index of its part."""
        places: dict[str, int] = {}
        for index, part in enumerate(self.held):
            for shard_id in part.extents:
                if shard_id in places:
                    raise LedgerError(f"shard {shard_id!r} is dealt twice in the inventory: run `oodinv dataset fsck`")
                places[shard_id] = index
        return places


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
    return Inventory(held=tuple(read_inventory_part(target, number) for number in found))


def read_inventory_part(target: Store, number: int) -> InventoryPart:
    """One part as it was written.

    Raises:
        LedgerError: It is not ours.
    """
    key = f"{PREFIX}{number}{SUFFIX}"
    return InventoryPart(target.get(key), f"{key} in {target.uri}")


def _versions(part: InventoryPart) -> Iterator[tuple[str, int, str]]:
    for table in part.rows(["key", "generation", "etag"]):
        yield from zip(*(table[name].to_pylist() for name in ("key", "generation", "etag")), strict=True)
