"""Checking a dataset against its own books. Reads only."""

from dataclasses import dataclass

from oodinv.ledger.audit_inventory import audit_inventory
from oodinv.ledger.audit_product import audit_commits, audit_spec
from oodinv.ledger.audit_snapshots import audit_snapshots
from oodinv.ledger.commit import list_commits
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.findings import Findings
from oodinv.ledger.inventory import load_inventory
from oodinv.ledger.layout import list_products
from oodinv.ledger.retry import audit_retries
from oodinv.store import Store


@dataclass(frozen=True, kw_only=True)
class FsckReport:
    """What a check found."""

    uri: str
    problems: tuple[str, ...]
    """Broken promises, at most ``findings.MAX_SHOWN`` of them."""

    num_problems: int
    orphans: tuple[str, ...]
    """Objects that nothing lists, at most ``findings.MAX_SHOWN``: leftovers of killed attempts, or work in progress."""

    num_orphans: int
    orphan_bytes: int
    num_products: int
    num_commits: int
    num_objects: int
    """Objects that commits list."""

    deep: bool

    @property
    def clean(self) -> bool:
        """No problems. Orphans are none: no reader ever sees them."""
        return self.num_problems == 0


def fsck(target: Store, *, deep: bool = False) -> FsckReport:
    """Check that everything published is there, whole, consistent and accounted for.

    Checked: inventory ids and generations; each product's specification; of each commit the objects' presence and
    size, the rows' hash, schema and accounting, the counts, every object that rows name, the faces commit behind an
    edit; of each snapshot its files and commits. May run beside a working pipeline.

    Args:
        target: The dataset.
        deep: Also read and hash every image, and compare the newest snapshot's rows with its commits.

    Raises:
        LedgerError: No dataset there.
        StoreError: The store failed.
    """
    findings = Findings()
    products = list_products(target)
    commits = {}
    for product in products:
        findings.problems_from(audit_spec(target, product))
        try:
            commits[product] = list_commits(target, product)
        except LedgerError as error:
            findings.problem(str(error))
    inventory = load_inventory(target)  # after the commits: whatever they are of has been dealt before
    findings.problems_from(audit_inventory(target, inventory.parts))
    findings.problems_from(audit_retries(target))
    hashes: dict[str, str] = {}
    for product, found in commits.items():
        hashes |= audit_commits(target, inventory, product, found, findings, deep=deep)
    audit_snapshots(target, inventory, hashes, findings, deep=deep)
    return FsckReport(
        uri=target.uri,
        problems=tuple(findings.problems),
        num_problems=findings.num_problems,
        orphans=tuple(findings.orphans),
        num_orphans=findings.num_orphans,
        orphan_bytes=findings.orphan_bytes,
        num_products=len(products),
        num_commits=findings.num_commits,
        num_objects=findings.num_objects,
        deep=deep,
    )
