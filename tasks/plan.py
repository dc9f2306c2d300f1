"""Plan: freeze the inventory, register the products, find out what is missing."""

from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.ledger.inventory import Inventory, load_inventory
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.ledger.products import register_product
from oodinv.store import open_source, open_store


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What there is and what is to do."""

    inventory: Inventory
    missing: dict[str, list[str]]
    """Products by shard; finished shards are not in it."""

    @property
    def num_shards(self) -> int:
        """Shards with work left."""
        return len(self.missing)

    @property
    def shards_before(self) -> int:
        """Shards that lack nothing."""
        return len(self.inventory.live_shards()) - self.num_shards

    @property
    def photos_before(self) -> int:
        """Photos in them."""
        done = set(self.inventory.live_shards()) - self.missing.keys()
        return sum(self.inventory.size_of(shard) for shard in done)

    @property
    def num_samples(self) -> int:
        """Photos in them."""
        return sum(self.inventory.size_of(shard) for shard in self.missing)

    def job(self, shard_id: str) -> ShardJob:
        """The work on one shard."""
        return ShardJob(
            shard_id=shard_id, samples=self.inventory.samples(shard_id), missing=tuple(self.missing[shard_id])
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
    return Plan(inventory=inventory, missing=missing_work(target, inventory, [product.name for product in products]))
