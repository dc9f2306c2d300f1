"""How far a dataset is: counts of samples per product that always add up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oodinv.ledger.commit import list_commits, read_commit
from oodinv.ledger.inventory import Inventory, load_inventory
from oodinv.ledger.layout import list_products
from oodinv.ledger.live import by_shard, replaced_samples, shard_rows, without_samples
from oodinv.ledger.statuses import count_statuses, sample_statuses
from oodinv.store import Store


@dataclass(frozen=True, kw_only=True)
class ProductStatus:
    """One product, in samples in their newest version.

    Always ``planned = ok + skipped + failed + quarantined + pending``.
    """

    product: str
    planned: int
    ok: int
    skipped: int
    failed: int
    quarantined: int
    pending: int
    shards: int
    """Shards that need a commit."""

    shards_done: int
    """Those of them that have one."""


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """All products of a target."""

    uri: str
    inventory_parts: int
    num_samples: int
    products: tuple[ProductStatus, ...]


def dataset_status(target: Store, products: Sequence[str] | None = None) -> DatasetStatus:
    """Count what became of every sample.

    Args:
        target: The dataset.
        products: These; by default every product that was ever begun.

    Raises:
        LedgerError: No dataset there, or it is damaged.
    """
    names = tuple(list_products(target) if products is None else products)
    inventory = load_inventory(target)
    return DatasetStatus(
        uri=target.uri,
        inventory_parts=inventory.parts,
        num_samples=inventory.num_samples,
        products=tuple(_product_status(target, inventory, product) for product in names),
    )


def _product_status(target: Store, inventory: Inventory, product: str) -> ProductStatus:
    live = frozenset(inventory.live_shards())
    replaced = replaced_samples(inventory, frozenset(inventory.shards()))
    counts: Counter[str] = Counter()
    shards_done = 0
    for shard_id, ids in by_shard(list_commits(target, product)):
        if shard_id not in live:  # superseded as a whole; or dealt after we read the inventory
            continue
        shards_done += 1
        commits = [read_commit(target, found) for found in ids]
        if len(commits) == 1 and shard_id not in replaced:
            counts.update(commits[0].samples)  # every row counts: the rows need not be read
        else:
            rows = without_samples(shard_rows(target, commits), replaced.get(shard_id, []))
            counts.update(count_statuses(sample_statuses(rows).values()))
    planned = inventory.num_samples
    return ProductStatus(
        product=product,
        planned=planned,
        ok=counts["ok"],
        skipped=counts["skipped"],
        failed=counts["failed"],
        quarantined=counts["quarantined"],
        pending=planned - counts.total(),
        shards=len(live),
        shards_done=shards_done,
    )
