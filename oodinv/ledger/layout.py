"""Where things lie in a target. Every key of the ledger is made here or in ``inventory`` and ``snapshot``."""

import hashlib

from oodinv.store import Store

PRODUCTS = "products/"
PART = "part.parquet"
ATTEMPT_DEPTH = 6
"""Folders of an attempt's prefix: products/<product>/data/<hh>/<shard>/<attempt>."""


def spec_key(product: str) -> str:
    """What the product's fingerprint was made of."""
    return f"{PRODUCTS}{product}/spec.json"


def commits_prefix(product: str) -> str:
    """All commits of a product and nothing else."""
    return f"{PRODUCTS}{product}/commits/"


def data_prefix(product: str) -> str:
    """All data objects of a product and nothing else."""
    return f"{PRODUCTS}{product}/data/"


def shard_prefix(product: str, shard_id: str) -> str:
    """All attempts at a shard. The two hex digits of the shard's hash spread an object store's load."""
    spread = hashlib.sha256(shard_id.encode()).hexdigest()[:2]
    return f"{data_prefix(product)}{spread}/{shard_id}/"


def attempt_prefix(product: str, shard_id: str, attempt: str) -> str:
    """The folder that one attempt at a shard writes to and no other ever does."""
    return f"{shard_prefix(product, shard_id)}{attempt}/"


def list_products(target: Store) -> tuple[str, ...]:
    """Names of all products that were ever begun in a target, sorted."""
    return target.folders(PRODUCTS)
