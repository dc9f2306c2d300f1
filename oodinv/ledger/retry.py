"""Doing samples again that came to nothing: asked for in the target, done by the next run, published as repairs.

``retries/<n>.json`` names the samples, product by product and shard by shard; create-only and numbered as the inventory
is. A repair is a commit of the next generation that holds rows for these samples only and names the retries it answers;
a retry is open for a shard until such a commit is there. So nothing that was published is touched, a run that dies
leaves the retry open, and of two runs one wins.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.ledger.commit import CommitId, list_commits, read_commit
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import canonical_json
from oodinv.ledger.inventory import Inventory, load_inventory
from oodinv.ledger.layout import commits_prefix, list_products
from oodinv.ledger.live import by_shard, replaced_samples, shard_rows, without_samples
from oodinv.ledger.numbered import check_complete, create_until_known, numbers
from oodinv.ledger.schema import STATUSES
from oodinv.store import Store

PREFIX, SUFFIX = "retries/", ".json"
RETRIABLE = tuple(status for status in STATUSES if status != "ok")
_MAX_RACES = 100

Wanted = Mapping[str, Mapping[str, tuple[str, ...]]]
"""product → shard_id → ids of samples."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """One demand."""

    number: int
    samples: Wanted

    def count(self) -> dict[str, int]:
        """Samples by product."""
        return {product: sum(map(len, shards.values())) for product, shards in self.samples.items()}


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What a shard has to do again."""

    samples: frozenset[str]
    """Ids; all of them are done again in each of the products."""
    generations: Mapping[str, int]
    """product → generation of the commit."""
    retries: tuple[int, ...]
    """Numbers of the demands that this answers."""


@dataclass(frozen=True, kw_only=True)
class RetryRequest:
    """Which samples."""

    statuses: frozenset[str] = frozenset({"failed"})
    error_classes: frozenset[str] = frozenset()
    """Empty = all."""
    products: frozenset[str] = field(default_factory=frozenset)
    """Names; empty = all."""

    def __post_init__(self):
        """Refuse what no row can be."""
        unknown = sorted(self.statuses - set(RETRIABLE))
        if unknown or not self.statuses:
            raise LedgerError(f"samples are retried by status: expected some of {', '.join(RETRIABLE)}, got {unknown}")


def ask_for_retry(target: Store, request: RetryRequest, *, write: bool = True) -> Retry | None:
    """Look for samples in the live rows of all products and ask that they be done again.

    Args:
        target: The dataset.
        request: Which samples. What is asked of the faces is asked of every edit of theirs too, since those were made
            of the faces.
        write: False = only look.

    Returns:
        What was written, or would be; None when no sample is such.

    Raises:
        LedgerError: No dataset there, no such product, or the books are damaged.
    """
    names = list_products(target)
    unknown = sorted(request.products - set(names))
    if unknown:
        raise LedgerError(f"no product {', '.join(unknown)} in {target.uri}: there are {', '.join(names) or 'none'}")
    found = {
        name: _matching(target, name, request) for name in names if name in request.products or not request.products
    }
    wanted = _with_edits_of(target, names, found)
    if not any(wanted.values()):
        return None
    for _ in range(_MAX_RACES):
        retry = Retry(number=len(list_retries(target)) + 1, samples=wanted)
        data = canonical_json({"number": retry.number, "samples": wanted})
        key = f"{PREFIX}{retry.number}{SUFFIX}"
        if not write or create_until_known(target, key, data) or target.get(key) == data:
            return retry
    raise LedgerError(f"{_MAX_RACES} times somebody else was faster on {target.uri}: let them finish, then ask again")


def list_retries(target: Store) -> list[int]:
    """Numbers of all demands.

    Raises:
        LedgerError: One is missing.
    """
    found = numbers(target, PREFIX, SUFFIX)
    check_complete(found, PREFIX, SUFFIX, target.uri)
    return found


def load_retry(target: Store, number: int) -> Retry:
    """One demand.

    Raises:
        LedgerError: It is not readable.
    """
    key = f"{PREFIX}{number}{SUFFIX}"
    try:
        told = json.loads(target.get(key))
        samples = {
            str(product): {str(shard): tuple(map(str, ids)) for shard, ids in shards.items()}
            for product, shards in told["samples"].items()
        }
        retry = Retry(number=int(told["number"]), samples=samples)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"{key} in {target.uri} is no readable retry: {str(error)[:200]}") from error
    if retry.number != number:
        raise LedgerError(f"{key} in {target.uri} holds the retry {retry.number}: it was copied or renamed")
    return retry


def audit_retries(target: Store) -> Iterator[str]:
    """Problems of the demands."""
    try:
        for number in list_retries(target):
            load_retry(target, number)
    except LedgerError as error:
        yield str(error)


def open_repairs(target: Store, products: Sequence[str]) -> dict[str, Repair]:
    """What has been asked for and not been done, for some products.

    Args:
        target: The dataset.
        products: Names; what is asked of others stays open.

    Returns:
        By shard. Shards that lack a commit are no matter of repairs and left out, product by product.
    """
    demands = [load_retry(target, number) for number in list_retries(target)]
    asked = {product: _by_shard(demands, product) for product in products}
    repairs: dict[str, Repair] = {}
    for product, shards in asked.items():
        if not shards:
            continue
        commits = dict(by_shard(list_commits(target, product)))
        for shard_id, samples in shards.items():
            if shard_id not in commits:
                continue
            answered = _answered(target, commits[shard_id])
            left = {number: ids for number, ids in samples.items() if number not in answered}
            if left:
                generation = commits[shard_id][-1].generation + 1
                repairs[shard_id] = _joined(repairs.get(shard_id), product, generation, left)
    return repairs


def _by_shard(demands: Sequence[Retry], product: str) -> dict[str, dict[int, tuple[str, ...]]]:
    """shard_id → number of the demand → samples."""
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for demand in demands:
        for shard_id, samples in demand.samples.get(product, {}).items():
            found.setdefault(shard_id, {})[demand.number] = samples
    return found


def _answered(target: Store, commits: Sequence[CommitId]) -> set[int]:
    repairs = [read_commit(target, found) for found in commits if found.generation > 0]
    return {number for commit in repairs for number in commit.retries}


def _joined(before: Repair | None, product: str, generation: int, left: Mapping[int, tuple[str, ...]]) -> Repair:
    samples = frozenset(sample for ids in left.values() for sample in ids)
    if before is None:
        return Repair(samples=samples, generations={product: generation}, retries=tuple(sorted(left)))
    return Repair(
        samples=before.samples | samples,
        generations={**before.generations, product: generation},
        retries=tuple(sorted({*before.retries, *left})),
    )


def _matching(target: Store, product: str, request: RetryRequest) -> dict[str, tuple[str, ...]]:
    """shard_id → samples whose live rows are as asked for."""
    found = {}
    for shard_id, rows in _rows_with(target, product, request.statuses):
        matches = pc.is_in(rows["status"], value_set=pa.array(sorted(request.statuses)))
        if request.error_classes:
            classes = pa.array(sorted(request.error_classes))
            matches = pc.and_(matches, pc.is_in(rows["error_class"], value_set=classes))
        samples = pc.unique(rows.filter(matches)["sample_id"]).to_pylist()
        if samples:
            found[shard_id] = tuple(sorted(samples))
    return found


def _rows_with(target: Store, product: str, statuses: frozenset[str]) -> Iterator[tuple[str, pa.Table]]:
    """The live rows of those shards whose commits count any such status; the others are not read."""
    commits = list_commits(target, product)
    inventory = load_inventory(target)
    replaced = _replaced(inventory, commits)
    for shard_id, ids in by_shard(commits):
        shard = [read_commit(target, found) for found in ids]
        counts: Counter[str] = Counter()
        for commit in shard:
            counts.update(commit.samples)
            counts.update(commit.faces)
        if any(counts[status] for status in statuses):
            yield shard_id, without_samples(shard_rows(target, shard), replaced.get(shard_id, []))


def _replaced(inventory: Inventory, commits: Sequence[CommitId]) -> dict[str, list[str]]:
    return replaced_samples(inventory, frozenset(commit.shard_id for commit in commits))


def _with_edits_of(
    target: Store, names: Sequence[str], found: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """What is asked of faces is asked of the edits that were made of them, where these are committed."""
    wanted: dict[str, dict[str, set[str]]] = {
        name: {shard: set(ids) for shard, ids in shards.items()} for name, shards in found.items()
    }
    concerned = {shard_id for shards in found.values() for shard_id in shards}
    for name in names:
        for shard_id, ids in by_shard(list_commits(target, name)):
            made_of = read_commit(target, ids[-1]).faces_commit if shard_id in concerned else None
            if made_of is None:
                continue
            for product, shards in found.items():
                if shard_id in shards and made_of.key.startswith(commits_prefix(product)):
                    wanted.setdefault(name, {}).setdefault(shard_id, set()).update(shards[shard_id])
    return {
        name: {shard: tuple(sorted(ids)) for shard, ids in sorted(shards.items())}
        for name, shards in sorted(wanted.items())
        if shards
    }
