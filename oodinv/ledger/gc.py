"""Collecting garbage: what killed and slower attempts left behind. Nothing else in the library removes results."""

import json
import time
from collections.abc import Iterator, Mapping
from itertools import count, groupby

from oodinv.ledger.attempt_keys import PROBES, SNAPSHOT_DATA, attempt_folder, is_probe, is_snapshot_object, shard_of
from oodinv.ledger.commit import Commit, CommitId, list_commits, read_commit, read_commit_bytes
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.garbage import Garbage, GarbageReport
from oodinv.ledger.inventory import PREFIX as INVENTORY_PREFIX
from oodinv.ledger.inventory import SUFFIX as INVENTORY_SUFFIX
from oodinv.ledger.layout import data_prefix, list_products
from oodinv.ledger.numbered import check_complete, numbers
from oodinv.ledger.snapshot import LATEST, PREFIX, SUFFIX, Snapshot, latest_snapshot, load_snapshot
from oodinv.store import FolderStore, ObjectInfo, ObjectMissing, Store

MIN_GRACE_S = 3600.0
DEFAULT_GRACE_S = 24 * 3600.0


def collect_garbage(
    target: Store, *, grace_s: float = DEFAULT_GRACE_S, now: float | None = None, delete: bool = False
) -> GarbageReport:
    """Find, and if asked delete, what nothing lists and nobody is writing any more. A dry run unless ``delete``.

    Garbage are objects below ``products/*/data/`` that no commit lists, files below ``snapshots/data/`` that no
    snapshot lists, probes of runs that were killed at their start, and in a folder the unfinished files of killed
    writers. Commits, inventory, specifications, snapshots, ``latest.json`` and the reports of runs are never deleted.

    May run beside a working pipeline and beside itself. Data objects are listed *first*, the commits of their shard
    are read *after*: a commit that is written in between protects what was listed. What is published later still is
    protected by the grace. It counts from the newest object of an attempt, so an attempt at work keeps itself young.

    A product is left alone as a whole when one of its commits cannot be read, or is gone although the newest snapshot
    or a later generation knows it: its objects would look like garbage. The snapshots' files likewise.

    Memory: the names of one product's commits, the objects of one shard.

    Args:
        target: The dataset.
        grace_s: Seconds since an attempt last wrote: at least ``MIN_GRACE_S``, and twice as long as a living attempt
            may go without writing.
        now: POSIX seconds; this machine's clock by default.
        delete: Delete what was found.

    Raises:
        LedgerError: The grace is too short, or no dataset is there.
        StoreError: The store failed while reading. A refused deletion is reported instead.
    """
    if not grace_s >= MIN_GRACE_S:
        raise LedgerError(
            f"a grace of {grace_s / 3600:g} h is too short: attempts at work would lose their objects. Expected at "
            f"least {MIN_GRACE_S / 3600:g} h; {DEFAULT_GRACE_S / 3600:g} h is the default."
        )
    if not numbers(target, INVENTORY_PREFIX, INVENTORY_SUFFIX):
        raise LedgerError(f"no inventory in {target.uri}: this is not a dataset, nothing in it is ours to delete")
    garbage = Garbage(target=target, grace_s=grace_s, now=time.time() if now is None else now, delete=delete)
    _collect_products(target, garbage)
    _collect_snapshots(target, garbage)
    for info in target.list(PROBES):
        if is_probe(info.key):
            garbage.judge([info])
    if isinstance(target, FolderStore):
        for info in target.unfinished():
            garbage.judge([info], remove=target.discard)
    return garbage.report()


def _collect_products(target: Store, garbage: Garbage) -> None:
    try:
        last = latest_snapshot(target)
    except LedgerError as error:
        garbage.error(f"all products are left alone: {error}. `oodinv dataset fsck` tells more.")
        return
    for product in list_products(target):
        try:
            _check_commits(target, product, last)
            _collect_data(target, product, garbage)
        except (LedgerError, ObjectMissing) as error:
            garbage.error(f"{product} is left alone: {error}. `oodinv dataset fsck` tells more.")


def _check_commits(target: Store, product: str, last: Snapshot | None) -> None:
    """Raise LedgerError or ObjectMissing unless every commit that is known of can be read, as it was published."""
    hashes: dict[str, str] = {}
    for found in list_commits(target, product):
        if found.generation:
            before = CommitId(product=product, shard_id=found.shard_id, generation=found.generation - 1)
            if before.key not in hashes:
                raise LedgerError(f"{before.key} is missing although {found.key} exists")
        _, hashes[found.key] = read_commit_bytes(target, found)
    published: Mapping[str, str] = last.commits.get(product, {}) if last else {}
    for key, sha256 in published.items():
        if hashes.get(key) != sha256:
            raise LedgerError(f"{key} is missing or was changed since it was published")


def _collect_data(target: Store, product: str, garbage: Garbage) -> None:
    def shard(info: ObjectInfo) -> str | None:
        return shard_of(product, info.key)

    for shard_id, group in groupby(target.list(data_prefix(product)), key=shard):
        objects = list(group)  # to its end, before the shard's first commit is read
        if shard_id is None:
            garbage.keep(objects)
            continue
        commits = _read_commits(target, product, shard_id)
        listed = {obj.key for commit in commits for obj in commit.objects}
        for _, attempt in groupby(objects, key=lambda info: attempt_folder(info.key)):
            garbage.judge(list(attempt), listed)


def _read_commits(target: Store, product: str, shard_id: str) -> Iterator[Commit]:
    """The commits that a shard has now: generations have no gaps, so the first one missing is the end."""
    for generation in count():
        try:
            yield read_commit(target, CommitId(product=product, shard_id=shard_id, generation=generation))
        except ObjectMissing:
            return


def _collect_snapshots(target: Store, garbage: Garbage) -> None:
    objects = list(target.list(SNAPSHOT_DATA))  # before the first snapshot is read
    garbage.keep(info for info in objects if not is_snapshot_object(info.key))
    try:
        found = numbers(target, PREFIX, SUFFIX)
        check_complete(found, PREFIX, SUFFIX, target.uri)
        listed = {file.key for number in found for file in load_snapshot(target, number).files}
        listed |= _pointed_to(target)
    except LedgerError as error:
        garbage.error(f"the snapshots' files are left alone: {error}. `oodinv dataset fsck` tells more.")
        return
    ours = (info for info in objects if is_snapshot_object(info.key))
    for _, attempt in groupby(ours, key=lambda info: attempt_folder(info.key)):
        garbage.judge(list(attempt), listed)


def _pointed_to(target: Store) -> set[str]:
    """The files in ``latest.json``: readers without this library know nothing else."""
    try:
        return set(json.loads(target.get(LATEST))["files"])
    except ObjectMissing:
        return set()
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerError(f"{LATEST} is not readable; publishing a snapshot rewrites it") from error
