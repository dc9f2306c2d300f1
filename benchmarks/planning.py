"""Planning a million photos: time and memory of listing, freezing, dealing, and of finding that nothing is to do."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import resident_mb
from oodinv.ledger.inventory import load_inventory
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.store import FolderStore, ObjectInfo

_PRODUCTS = ("faces-3fa2b1c0", "smile_p1.50-77d01b3e")
_SHARD = 256


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Seconds, and what the process grew by (MB)."""

    photos: int
    first_s: float
    """A first run: keys listed (from memory), frozen and dealt to shards."""
    relist_s: float
    """A run that lists again and finds nothing new."""
    no_op_s: float
    """A run that does not list, and finds every shard of two products committed."""
    first_mb: float
    no_op_mb: float
    inventory_mb: float
    """Size of the inventory."""


class _Keys:
    """A source that lists so many photos, as a bucket would, at once."""

    uri = "keys"

    def __init__(self, count: int):
        self._count = count

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """In order."""
        for number in range(self._count):
            etag = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
            yield ObjectInfo(key=f"{number // 1000:05d}/{number:08d}.jpg", size=40_000 + number % 9973, etag=etag)

    def requests(self) -> Mapping[str, int]:
        """None are counted."""
        return {}


def measure_planning(count: int) -> Planning:
    """Plan so many photos in a folder."""
    with TemporaryDirectory(prefix="oodinv-benchmark-") as folder:
        source, target = _Keys(count), FolderStore(root=Path(folder))
        before = resident_mb(os.getpid())
        begin = time.perf_counter()
        inventory = plan_inventory(source, target, _SHARD)  # type: ignore[arg-type] # no more of a store is asked for
        first_s, first_mb = time.perf_counter() - begin, resident_mb(os.getpid()) - before
        shards = inventory.shards()
        for product in _PRODUCTS:
            commits = Path(folder, "products", product, "commits")
            commits.mkdir(parents=True)
            for shard in shards:
                (commits / f"{shard}.0.json").touch()  # planning reads names only
        del inventory
        begin = time.perf_counter()
        assert plan_inventory(source, target, _SHARD).added == 0  # type: ignore[arg-type]
        relist_s, before = time.perf_counter() - begin, resident_mb(os.getpid())
        begin = time.perf_counter()
        assert missing_work(target, load_inventory(target), _PRODUCTS) == {}
        return Planning(
            photos=count,
            first_s=first_s,
            relist_s=relist_s,
            no_op_s=time.perf_counter() - begin,
            first_mb=first_mb,
            no_op_mb=resident_mb(os.getpid()) - before,
            inventory_mb=sum(info.size for info in target.list("inventory/")) / 2**20,
        )
