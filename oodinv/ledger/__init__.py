"""The dataset's books: what was dealt, what is done, what readers see. The target is the only memory.

Order of a run: ``check_locations`` → ``plan_inventory`` → ``register_product`` → ``missing_work`` → for each shard and
product ``new_attempt``, ``write_object`` …, ``write_part``, ``publish`` → ``publish_snapshot``.
"""

from oodinv.ledger.commit import (
    Commit,
    CommitId,
    CommittedObject,
    FacesCommit,
    list_commits,
    publish,
    read_commit,
)
from oodinv.ledger.compare import run_differences
from oodinv.ledger.errors import LedgerError, PartInvalid
from oodinv.ledger.fsck import FsckReport, fsck
from oodinv.ledger.identity import (
    ALGORITHM_VERSIONS,
    SCHEMA_VERSION,
    canonical_json,
    fingerprint,
    new_attempt,
    product_name,
    sample_id,
    sha256_hex,
)
from oodinv.ledger.inventory import Inventory, Sample, Shard, load_inventory
from oodinv.ledger.layout import list_products
from oodinv.ledger.live import read_shard
from oodinv.ledger.part import read_part, write_object, write_part
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.ledger.preflight import check_locations
from oodinv.ledger.products import Product, define_product, register_product
from oodinv.ledger.reading import read
from oodinv.ledger.schema import ROW_SCHEMA, RUN_COLUMNS, STATUSES, make_row, rows_to_table
from oodinv.ledger.snapshot import Snapshot, latest_snapshot, load_snapshot, publish_snapshot, read_snapshot
from oodinv.ledger.status import DatasetStatus, ProductStatus, dataset_status
from oodinv.ledger.statuses import count_statuses, sample_statuses
from oodinv.ledger.tars import ObjectReader
from oodinv.ledger.validate import validate_part

__all__ = [
    "ALGORITHM_VERSIONS",
    "ROW_SCHEMA",
    "RUN_COLUMNS",
    "SCHEMA_VERSION",
    "STATUSES",
    "Commit",
    "CommitId",
    "CommittedObject",
    "DatasetStatus",
    "FacesCommit",
    "FsckReport",
    "Inventory",
    "LedgerError",
    "ObjectReader",
    "PartInvalid",
    "Product",
    "ProductStatus",
    "Sample",
    "Shard",
    "Snapshot",
    "canonical_json",
    "check_locations",
    "count_statuses",
    "dataset_status",
    "define_product",
    "fingerprint",
    "fsck",
    "latest_snapshot",
    "list_commits",
    "list_products",
    "load_inventory",
    "load_snapshot",
    "make_row",
    "missing_work",
    "new_attempt",
    "plan_inventory",
    "product_name",
    "publish",
    "publish_snapshot",
    "read",
    "read_commit",
    "read_part",
    "read_shard",
    "read_snapshot",
    "register_product",
    "rows_to_table",
    "run_differences",
    "sample_id",
    "sample_statuses",
    "sha256_hex",
    "validate_part",
    "write_object",
    "write_part",
]
