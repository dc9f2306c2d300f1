"""From rows to samples: what became of each input."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa

from oodinv.ledger.schema import STATUSES


def sample_statuses(table: pa.Table) -> dict[str, str]:
    """sample_id → status: ok if any of its faces is, else the worst of its rows.

    Args:
        table: Rows of one product with at least the columns ``sample_id`` and ``status``.
    """
    found: dict[str, str] = {}
    for sample_id, status in zip(table["sample_id"].to_pylist(), table["status"].to_pylist(), strict=True):
        before = found.get(sample_id, status)
        found[sample_id] = "ok" if "ok" in (before, status) else max(before, status, key=STATUSES.index)
    return found


def count_statuses(statuses: Iterable[str]) -> dict[str, int]:
    """How often each status occurs; all of STATUSES are present."""
    counted = Counter(statuses)
    return {status: counted[status] for status in STATUSES}
