"""Find, and if asked delete, what killed attempts left behind."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.ledger.garbage import GarbageReport
from oodinv.ledger.gc import collect_garbage as collect
from oodinv.store import Access, open_store


@task(name="collect-garbage", cache_policy=NO_CACHE, persist_result=False)
def collect_garbage(target: str, access: Access, grace_s: float, delete: bool) -> GarbageReport:
    """Collect; a dry run unless `delete`. Refused deletions are in the report."""
    return collect(open_store(target, access), grace_s=grace_s, delete=delete)
