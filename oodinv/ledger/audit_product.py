"""Does every commit of a product hold what it promises?"""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.imaging.provenance import read_provenance
from oodinv.ledger.commit import (
    Commit,
    CommitId,
    get_verified,
    read_commit_bytes,
)
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.findings import Findings
from oodinv.ledger.identity import canonical_json, fingerprint, sha256_hex
from oodinv.ledger.inventory import Inventory, Shard
from oodinv.ledger.layout import data_prefix, shard_prefix, spec_key
from oodinv.ledger.live import by_shard
from oodinv.ledger.part import read_part, reference_problems
from oodinv.ledger.statuses import count_statuses, sample_statuses
from oodinv.ledger.tars import read_tar
from oodinv.ledger.validate import validate_part
from oodinv.store import ObjectInfo, ObjectMissing, Store


def audit_spec(target: Store, product: str) -> Iterator[str]:
    """Problems of ``spec.json``: the product's name must follow from it."""
    key = spec_key(product)
    try:
        data = target.get(key)
        spec = json.loads(data)
        if canonical_json(spec) != data or fingerprint(spec)[:8] != product[-8:]:
            yield f"{key} is not the specification that {product} is named after"
    except ObjectMissing:
        yield f"{key} is missing: nothing says what {product} was made of"
    except ValueError as error:
        yield f"{key} is no readable specification: {str(error)[:200]}"


def audit_commits(
    target: Store, inventory: Inventory, product: str, commits: list[CommitId], findings: Findings, *, deep: bool
) -> dict[str, str]:
    """Check every commit against the objects that lie there, in one listing and the memory of one shard.

    Args:
        target: The dataset.
        inventory: Read after ``commits`` were listed.
        product: Its name.
        commits: From ``list_commits``, before this call: what is written meanwhile counts as orphan at worst.
        findings: Takes problems and orphans.
        deep: Read and hash every object, not only the parts.

    Returns:
        Key → SHA-256 of every commit that could be read.
    """
    waiting = {shard_prefix(product, shard_id): ids for shard_id, ids in by_shard(commits)}
    hashes: dict[str, str] = {}
    depth = data_prefix("x").count("/") + 2  # products/<product>/data/<hh>/<shard>/

    def folder(info: ObjectInfo) -> str:
        return "/".join(info.key.split("/")[:depth]) + "/"

    for prefix, objects in groupby(target.list(data_prefix(product)), key=folder):
        present = {info.key: info for info in objects}
        hashes |= _audit_shard(target, inventory, waiting.pop(prefix, []), present, findings, deep=deep)
    for ids in waiting.values():
        hashes |= _audit_shard(target, inventory, ids, {}, findings, deep=deep)
    return hashes


def _audit_shard(
    target: Store,
    inventory: Inventory,
    ids: list[CommitId],
    present: dict[str, ObjectInfo],
    findings: Findings,
    *,
    deep: bool,
) -> dict[str, str]:
    """All commits of one shard; what none of them lists is an orphan."""
    hashes: dict[str, str] = {}
    listed: set[str] = set()
    for expected_generation, found in enumerate(ids):
        findings.num_commits += 1
        if found.generation != expected_generation:
            findings.problem(f"{found.key}: generation {expected_generation} of this shard is missing")
        try:
            commit, hashes[found.key] = read_commit_bytes(target, found)
        except (LedgerError, ObjectMissing) as error:
            findings.problem(str(error))
            continue
        findings.problems_from(_object_problems(target, commit, present, listed))
        if deep:
            findings.problems_from(_content_problems(target, commit))
        findings.problems_from(_part_problems(target, inventory, commit))
        findings.problems_from(_faces_problems(target, commit))
        findings.num_objects += len(commit.objects)
        listed.update(obj.key for obj in commit.objects)
    for key, info in present.items():
        if key not in listed:
            findings.orphan(info)
    return hashes


def _object_problems(
    target: Store, commit: Commit, present: Mapping[str, ObjectInfo], listed: set[str]
) -> Iterator[str]:
    for obj in commit.objects:
        if obj.key in listed:
            yield f"{commit.key}: {obj.key} is listed by another commit too"
        if obj.key not in present:
            yield f"{commit.key}: {obj.key} is missing"
        elif present[obj.key].size != obj.size:
            yield f"{commit.key}: {obj.key} has {present[obj.key].size} bytes, committed were {obj.size}"


def _content_problems(target: Store, commit: Commit) -> Iterator[str]:
    """Read everything: are these the bytes that were committed, and do pictures say of their making what rows say?"""
    try:
        rows = read_part(target, commit, ["out_key", "bundle_sha256"]).to_pylist()
    except LedgerError:
        return  # told with the rows
    bundles = {row["out_key"]: row["bundle_sha256"] for row in rows if row["out_key"] is not None}
    for read in _contents(target, commit):
        if isinstance(read, str):
            yield f"{commit.key}: {read}"
        elif read[0] in bundles:
            key, told = read[0], read_provenance(read[1])
            if told is None:
                yield f"{commit.key}: {key} does not say that it is synthetic and what made it"
            elif (told.product, told.bundle_sha256) != (commit.product, bundles[key]):
                yield (
                    f"{commit.key}: {key} says that {told.product} and bundle {told.bundle_sha256[:12]}… made it, "
                    f"its rows say {commit.product} and {str(bundles[key])[:12]}…"
                )


def _contents(target: Store, commit: Commit) -> Iterator[tuple[str, bytes] | str]:
    """Every picture and mask, and whatever else is committed but the rows: key and bytes, or a problem."""
    tars = {member.tar for member in commit.members}
    for obj in commit.objects:
        if obj.key in tars:
            yield from read_tar(target, commit, obj)
        elif obj != commit.part:
            try:
                yield obj.key, get_verified(target, obj)
            except LedgerError as error:
                yield str(error)


def _part_problems(target: Store, inventory: Inventory, commit: Commit) -> Iterator[str]:
    try:
        table = read_part(target, commit)
        validate_part(table, product=commit.product, shard=_accountable(inventory, commit, table))
    except LedgerError as error:
        yield f"{commit.key}: {error}"
        return
    for problem in reference_problems(table, commit.named):
        yield f"{commit.key}: {problem}"
    if table["attempt"].unique().to_pylist() != [commit.attempt]:
        yield f"{commit.key}: its rows are of another attempt than {commit.attempt}"
    samples = count_statuses(sample_statuses(table).values())
    faces = count_statuses(table.filter(pc.field("face_index") >= 0)["status"].to_pylist())
    if samples != commit.samples or faces != commit.faces:
        yield f"{commit.key}: counts {commit.samples}, {commit.faces}; its rows give {samples}, {faces}"


def _accountable(inventory: Inventory, commit: Commit, table: pa.Table) -> Shard:
    """The samples that a commit must have rows for: all of the shard; of a repair those that it repairs."""
    shard = inventory.shard(commit.shard_id)
    if commit.generation == 0:
        return shard
    repaired = set(table["sample_id"].to_pylist())
    return Shard(
        shard_id=shard.shard_id,
        samples=tuple(sample for sample in shard.samples if sample.sample_id in repaired),
    )


def _faces_problems(target: Store, commit: Commit) -> Iterator[str]:
    if commit.faces_commit is None:
        return
    try:
        if sha256_hex(target.get(commit.faces_commit.key)) != commit.faces_commit.sha256:
            yield f"{commit.key}: the faces commit {commit.faces_commit.key} is not the one it was computed from"
    except (ObjectMissing, ValueError):
        yield f"{commit.key}: the faces commit {commit.faces_commit.key!r:.200} is missing"
