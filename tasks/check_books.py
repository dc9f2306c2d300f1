"""Check a dataset against its own books."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.ledger.fsck import FsckReport, fsck
from oodinv.store import Access, open_store


@task(name="check-books", cache_policy=NO_CACHE, persist_result=False)
def check_books(target: str, access: Access, deep: bool) -> FsckReport:
    """Check; reads only. Problems are no failure of the task: what follows from them is for the flow to say."""
    return fsck(open_store(target, access), deep=deep)
