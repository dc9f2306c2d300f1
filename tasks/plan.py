"""Plan: freeze the inventory, register the products, find out what is missing."""

from dataclasses import dataclass, field
from functools import cached_property

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.ledger.inventory import Inventory, load_inventory
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.ledger.products import register_product
from oodinv.ledger.retry import Repair, open_repairs
from oodinv.store import open_source, open_store


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What there is and what is to do."""

    inventory: Inventory
    missing: dict[str, list[str]]
    """Products by shard; finished shards are not in it."""
    repairs: dict[str, Repair] = field(default_factory=dict)
    """What is to be done again, by shard."""

    @cached_property
    def to_do(self) -> tuple[str, ...]:
        """Shards with work left, oldest first."""
        return tuple(shard for shard in self.inventory.shards() if shard in self.missing or shard in self.repairs)

    @property
    def num_shards(self) -> int:
        """Shards with work left."""
        return len(self.to_do)

    @property
    def shards_before(self) -> int:
        """Shards that lack nothing."""
        return len(set(self.inventory.live_shards()) - set(self.to_do))

    @property
    def photos_before(self) -> int:
        """Photos in them."""
        done = set(self.inventory.live_shards()) - set(self.to_do)
        return sum(self.inventory.size_of(shard) for shard in done)

    @property
    def num_samples(self) -> int:
        """Photos to work on."""
        sizes = {shard: len(repair.samples) for shard, repair in self.repairs.items()}
        sizes |= {shard: self.inventory.size_of(shard) for shard in self.missing}
        return sum(sizes.values())

    def job(self, shard_id: str) -> ShardJob:
        """The work on one shard."""
        return ShardJob(
            shard_id=shard_id,
            samples=self.inventory.samples(shard_id),
            missing=tuple(self.missing.get(shard_id, ())),
            repair=self.repairs.get(shard_id),
        )


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan(settings: RunSettings, shard_size: int, *, list_source: bool = True) -> Plan:
    """Freeze what is new in the source and compare with what is committed.

    Args:
        settings: What is to be made, of what, and where.
        shard_size: Samples per new shard.
        list_source: False = nothing new is looked for; the inventory is as earlier runs have left it.

    Raises:
        LedgerError: No photo in the source; without listing, no inventory in the target.
    """
    target = open_store(settings.target, settings.access)
    if list_source:
        inventory = plan_inventory(open_source(settings.source, settings.access), target, shard_size)
    else:
        inventory = load_inventory(target)
    products = (settings.faces, *settings.products)
    for product in products:
        register_product(target, product.definition)
    names = [product.name for product in products]
    return Plan(
        inventory=inventory,
        missing=missing_work(target, inventory, names),
        repairs=open_repairs(target, names),
    )
