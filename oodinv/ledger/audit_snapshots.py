"""Do the snapshots show what is committed, and nothing else?"""

import json
from collections.abc import Iterator, Mapping

from oodinv.ledger.commit import commit_id, get_verified
from oodinv.ledger.compact import live_rows
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.findings import Findings
from oodinv.ledger.inventory import Inventory
from oodinv.ledger.numbered import check_complete, numbers
from oodinv.ledger.snapshot import LATEST, PREFIX, SUFFIX, Snapshot, load_snapshot, read_snapshot
from oodinv.store import ObjectInfo, ObjectMissing, Store


def audit_snapshots(
    target: Store, inventory: Inventory, hashes: Mapping[str, str], findings: Findings, *, deep: bool
) -> None:
    """Check all snapshots; the rows of the newest are compared with those of its commits when ``deep``.

    Args:
        target: The dataset.
        inventory: Everything dealt.
        hashes: Key → SHA-256 of all readable commits.
        findings: Takes problems and orphans.
        deep: Read every file.
    """
    found = numbers(target, PREFIX, SUFFIX)
    present = {info.key: info for info in target.list(f"{PREFIX}data/")}
    listed: set[str] = set()
    last: Snapshot | None = None
    try:
        check_complete(found, PREFIX, SUFFIX, target.uri)
    except LedgerError as error:
        findings.problem(str(error))
    for number in found:
        try:
            last = load_snapshot(target, number)
        except LedgerError as error:
            findings.problem(str(error))
            continue
        findings.problems_from(_snapshot_problems(target, last, present, hashes, deep=deep))
        listed.update(file.key for file in last.files)
    for key, info in present.items():
        if key not in listed:
            findings.orphan(info)
    findings.problems_from(_latest_problems(target, set(found)))
    if deep and last is not None and not findings.num_problems:
        findings.problems_from(_row_problems(target, inventory, last))


def _snapshot_problems(
    target: Store, snapshot: Snapshot, present: Mapping[str, ObjectInfo], hashes: Mapping[str, str], *, deep: bool
) -> Iterator[str]:
    for file in snapshot.files:
        if file.key not in present:
            yield f"{snapshot.key}: {file.key} is missing"
        elif present[file.key].size != file.size:
            yield f"{snapshot.key}: {file.key} has {present[file.key].size} bytes, published were {file.size}"
        elif deep:
            try:
                get_verified(target, file)
            except LedgerError as error:
                yield f"{snapshot.key}: {error}"
    for commits in snapshot.commits.values():
        for key, sha256 in commits.items():
            if hashes.get(key) != sha256:
                yield f"{snapshot.key}: the commit {key} is missing or was changed"


def _row_problems(target: Store, inventory: Inventory, snapshot: Snapshot) -> Iterator[str]:
    """Compact once more and compare. The inventory may have grown since: what was committed then decides alone."""
    for product, keys in snapshot.commits.items():
        commits = sorted((commit_id(product, key) for key in keys), key=lambda found: found.order)
        rows = read_snapshot(target, products=[product], number=snapshot.number)
        place = 0
        for live in live_rows(target, inventory, commits, {}):
            if not rows.slice(place, live.num_rows).equals(live):
                yield f"{snapshot.key}: the rows of {product} are not those of its commits"
                return
            place += live.num_rows
        if place != rows.num_rows:
            yield f"{snapshot.key}: {product} has {rows.num_rows} rows, its commits have {place}"


def _latest_problems(target: Store, found: set[int]) -> Iterator[str]:
    """``latest.json`` may lag behind or be absent, but must name a snapshot."""
    try:
        number = json.loads(target.get(LATEST))["snapshot"]
    except ObjectMissing:
        return
    except (ValueError, TypeError, KeyError):
        number = None
    if number not in found:
        yield f"{LATEST} names snapshot {number!r:.40}, which does not exist; publishing a snapshot rewrites it"
