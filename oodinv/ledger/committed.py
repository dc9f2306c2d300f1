"""Which products have anything to show."""

from oodinv.ledger.layout import commits_prefix, list_products
from oodinv.store import Store


def committed_products(target: Store) -> tuple[str, ...]:
    """Names of the products with at least one commit, sorted; those begun without result so far are left out."""
    return tuple(
        product for product in list_products(target) if any(True for _ in target.list(commits_prefix(product)))
    )
