"""Is the inventory what planning would have written?"""

from collections.abc import Iterator

from oodinv.ledger.identity import sample_id
from oodinv.ledger.inventory import read_inventory_part
from oodinv.store import Store


def audit_inventory(target: Store, parts: int) -> Iterator[str]:
    """Problems of the parts 1 … ``parts``: wrong ids, keys dealt twice, shards out of order."""
    newest: dict[str, int] = {}
    for number in range(1, parts + 1):
        part = read_inventory_part(target, number)
        name = f"inventory part {number}"
        if not part.num_rows:
            yield f"{name} is empty"
        before = (-1, "")
        for row in (row for table in part.rows() for row in table.to_pylist()):
            key = row["key"]
            if row["sample_id"] != sample_id(key):
                yield f"{name}: {key!r:.120} has sample_id {row['sample_id']}, expected {sample_id(key)}"
            expected = newest.get(key, -1) + 1
            if row["generation"] != expected:
                yield f"{name}: {key!r:.120} is dealt as generation {row['generation']}, expected {expected}"
            newest[key] = row["generation"]
            place = (_index(row["shard_id"], number), key)
            if place[0] not in (before[0], before[0] + 1) or place <= before:
                yield f"{name}: {key!r:.120} in shard {row['shard_id']!r} is out of order"
            before = place


def _index(shard_id: str, number: int) -> int:
    """A shard's place in its part; -2 (never expected) for another part's shard."""
    index = shard_id.removeprefix(f"{number}-")
    return int(index) if index.isdecimal() and shard_id == f"{number}-{int(index):06d}" else -2
