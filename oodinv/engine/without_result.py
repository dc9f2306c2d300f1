"""The photos without result, across products: each reason once, worst first, the list bounded."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.schema import STATUSES
from oodinv.report.gallery import PhotoFailure

LISTED = 200
"""Photos that are listed of each status."""

COLUMNS = ("sample_id", "src_key", "status", "error_class", "error_message")
"""What ``add`` reads."""

_Reason = tuple[str, str, str, str, str]


@dataclass
class WithoutResult:
    """Collects file by file; memory holds about LISTED reasons of each status, and the ids of the photos."""

    edits: dict[str, int]
    """Product → its place among the gallery's edits."""

    limit: int = LISTED
    _found: dict[str, dict[_Reason, set[int]]] = field(default_factory=dict)
    _samples: dict[str, set[bytes]] = field(default_factory=dict)

    def add(self, product: str, table: pa.Table) -> None:
        """Take in rows of a product; all rows of one sample must come in one table."""
        # A photo with one good face has a result, whatever its other faces came to.
        good = table.filter(pc.equal(table["status"], "ok"))["sample_id"]
        bad = table.filter(pc.invert(pc.is_in(table["sample_id"], value_set=good.combine_chunks())))
        worst: dict[str, dict[str, str]] = {}
        for row in bad.select(COLUMNS).to_pylist():
            before = worst.setdefault(row["sample_id"], row)
            if STATUSES.index(row["status"]) > STATUSES.index(before["status"]):
                worst[row["sample_id"]] = row
        for sample, row in worst.items():
            status = row["status"]
            self._samples.setdefault(status, set()).add(bytes.fromhex(sample))
            reason = (row["src_key"], sample, status, row["error_class"], row["error_message"] or "")
            edits = self._found.setdefault(status, {}).setdefault(reason, set())
            edits |= {self.edits[product]} if product in self.edits else set()
        for status, found in self._found.items():
            if len(found) > 4 * self.limit:
                self._found[status] = self._first(found)

    def _first(self, found: dict[_Reason, set[int]]) -> dict[_Reason, set[int]]:
        """Those with the smallest keys: what is dropped here could never come back among them."""
        return {reason: found[reason] for reason in sorted(found)[: self.limit]}

    def listed(self) -> tuple[list[PhotoFailure], dict[str, int]]:
        """The reasons, worst status first and by key, and how many photos of each status are not among them."""
        failures, unlisted = [], {}
        for status in reversed(STATUSES[1:]):
            first = self._first(self._found.get(status, {}))
            failures += [
                PhotoFailure(
                    key=key, sample_id=sample, status=status, error_class=error, message=message, edits=sorted(edits)
                )
                for (key, sample, _, error, message), edits in first.items()
            ]
            shown = len({sample for _, sample, *_ in first})
            unlisted[status] = len(self._samples.get(status, ())) - shown
        return failures, unlisted
