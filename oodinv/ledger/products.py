"""Products: what is computed of every input, named by everything that changes its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import (
    ALGORITHM_VERSIONS,
    SCHEMA_VERSION,
    canonical_json,
    fingerprint,
    product_name,
)
from oodinv.ledger.layout import spec_key
from oodinv.ledger.numbered import create_until_known
from oodinv.store import Store


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product's slug and specification; its name follows."""

    slug: str
    spec: Mapping[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the specification."""
        return fingerprint(self.spec)

    @cached_property
    def name(self) -> str:
        """``<slug>-<first 8 hex of the fingerprint>``."""
        return product_name(self.slug, self.fingerprint)


def define_product(slug: str, parameters: Mapping[str, Any], algorithms: Sequence[str]) -> Product:
    """Name a product.

    Args:
        slug: Readable part of the name, ``[a-z0-9._-]``.
        parameters: All that changes its output besides the algorithms: bundle and detector hashes, seed, crop size,
            format, for an edit the name of its faces product. No paths, worker counts, shard sizes, credentials.
        algorithms: Stages that take part in it, keys of ALGORITHM_VERSIONS; raising the version of another stage does
            not touch this product.

    Returns:
        The product; nothing is written.

    Raises:
        ValueError, TypeError: A bad slug, an unknown stage, or parameters that are not plain JSON.
    """
    unknown = sorted(set(algorithms) - ALGORITHM_VERSIONS.keys())
    if unknown:
        raise ValueError(f"unknown stages {unknown}: expected some of {sorted(ALGORITHM_VERSIONS)}")
    spec = {
        "algorithms": {stage: ALGORITHM_VERSIONS[stage] for stage in algorithms},
        "parameters": dict(parameters),
        "schema_version": SCHEMA_VERSION,
    }
    product = Product(slug=slug, spec=spec)
    assert product.name  # a bad slug or parameter shows here, not at the first write
    return product


def register_product(target: Store, product: Product) -> bool:
    """Write ``spec.json`` once.

    Returns:
        True when this call wrote it, False when the same one was there.

    Raises:
        LedgerError: Another specification under this name.
    """
    key, data = spec_key(product.name), canonical_json(product.spec)
    if create_until_known(target, key, data):
        return True
    if target.get(key) != data:
        raise LedgerError(
            f"{key} in {target.uri} holds another specification than product {product.name} has: two specifications "
            "share eight hex digits, or the file was changed by hand. Use another target, or restore the file."
        )
    return False
