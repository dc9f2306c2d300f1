"""Compact what is committed into the snapshot that readers use."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.ledger.snapshot import Snapshot
from oodinv.ledger.snapshot import publish_snapshot as publish
from oodinv.store import Access, open_store


@task(name="publish-snapshot", cache_policy=NO_CACHE, persist_result=False)
def publish_snapshot(target: str, access: Access, products: Sequence[str]) -> Snapshot:
    """Publish; nothing new since the last snapshot writes nothing."""
    return publish(open_store(target, access), products)
