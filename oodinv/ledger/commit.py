"""Commits: one small create-only object that makes a shard's result exist.

Data objects come first, each under the attempt's own prefix; the commit comes last. Whoever creates it first has
published; everybody else's objects are garbage.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import SCHEMA_VERSION, canonical_json, sha256_hex
from oodinv.ledger.layout import PART, attempt_prefix, commits_prefix
from oodinv.ledger.numbered import create_until_known
from oodinv.store import ObjectMissing, Store


@dataclass(frozen=True, kw_only=True)
class CommittedObject:
    """An object as a commit vouches for it."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Member:
    """A picture or mask in a tar, as a commit vouches for it."""

    key: str
    """As it would be were it an object of its own: what rows name."""
    size: int
    sha256: str
    tar: str
    """Key of the tar, one of the commit's objects."""
    offset: int
    """Where its bytes begin in the tar."""


@dataclass(frozen=True, kw_only=True)
class CommitId:
    """A commit as its key tells it, before reading."""

    product: str
    shard_id: str
    generation: int
    """0 for the first; a repair of some of the shard's samples is one more, and replaces the rows of those samples."""

    @property
    def key(self) -> str:
        """``products/<product>/commits/<shard>.<generation>.json``."""
        return f"{commits_prefix(self.product)}{self.shard_id}.{self.generation}.json"

    @property
    def order(self) -> tuple[int, ...]:
        """Sorts commits as their shards were dealt: ``2-000000`` before ``10-000000``."""
        return (*map(int, self.shard_id.split("-")), self.generation)


@dataclass(frozen=True, kw_only=True)
class FacesCommit:
    """The commit of the faces product that an edit was computed from."""

    key: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Commit(CommitId):
    """What one attempt at one shard published."""

    attempt: str
    objects: tuple[CommittedObject, ...]
    """The part, and every image and mask that its rows name, or the tars that hold these."""

    samples: Mapping[str, int]
    """Samples by status; all statuses are present."""

    faces: Mapping[str, int]
    """Face rows (``face_index`` ≥ 0) by status; all statuses are present."""

    timers: Mapping[str, float]
    """Seconds by stage."""

    faces_commit: FacesCommit | None = None
    retries: tuple[int, ...] = ()
    """Numbers of the demands that a repair answers, see ``retry``."""
    members: tuple[Member, ...] = ()
    """What is in these tars, see ``tars``."""
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self):
        prefix = attempt_prefix(self.product, self.shard_id, self.attempt)
        stored = {obj.key: obj.size for obj in self.objects}
        lost = [m.key for m in self.members if m.offset < 0 or m.offset + m.size > stored.get(m.tar, -1)]
        if lost:
            raise LedgerError(f"a commit lists the tars of its members, and these lie within them; not so: {lost[:5]}")
        keys = [named.key for named in self.named]
        if any(not key.startswith(prefix) for key in keys) or len(set(keys)) < len(keys):
            raise LedgerError(f"a commit lists each object once, below its attempt's own {prefix}; got {keys[:5]}")
        if prefix + PART not in keys:
            raise LedgerError(f"a commit lists its rows: {prefix + PART} is missing")

    @property
    def named(self) -> tuple[CommittedObject | Member, ...]:
        """All that rows may name, and the part and tars."""
        return (*self.objects, *self.members)

    @cached_property
    def part(self) -> CommittedObject:
        """The object that holds the rows."""
        return next(obj for obj in self.objects if obj.key.endswith("/" + PART))

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same commit has the same bytes."""
        fields = asdict(self)
        if not self.members:
            del fields["members"]
        return canonical_json(fields)


def publish(target: Store, commit: Commit) -> Literal["done", "already-mine", "lost"]:
    """Make an attempt's result the shard's, unless another attempt was first.

    Args:
        target: The dataset; the commit's objects are written already.
        commit: What to publish.

    Returns:
        ``done``: published by this call. ``already-mine``: published by an earlier call of this attempt whose answer
        got lost. ``lost``: another attempt was first; its result counts, this one's objects are garbage.

    Raises:
        OutcomeUnknown: The store did not answer, many times. Publishing the same commit again settles it.
        LedgerError: This attempt has published other content before.
    """
    data = commit.to_bytes()
    if create_until_known(target, commit.key, data):
        return "done"
    winner = target.get(commit.key)
    if winner == data:
        return "already-mine"
    if _parse(winner, commit.key).attempt == commit.attempt:
        raise LedgerError(f"attempt {commit.attempt} has published other content as {commit.key}: an attempt ends once")
    return "lost"


def list_commits(target: Store, product: str, shard_id: str | None = None) -> list[CommitId]:
    """All commits of a product, or of one shard of it, by one listing, ordered by shard and generation."""
    prefix = commits_prefix(product) + ("" if shard_id is None else f"{shard_id}.")
    ids = [commit_id(product, info.key) for info in target.list(prefix)]
    return sorted(ids, key=lambda found: found.order)


def commit_id(product: str, key: str) -> CommitId:
    """Read a commit's key.

    Raises:
        LedgerError: Not a commit's key.
    """
    name = key.removeprefix(commits_prefix(product)).removesuffix(".json")
    shard_id, _, generation = name.partition(".")
    if generation.isdecimal() and all(part.isdecimal() for part in shard_id.split("-")):
        found = CommitId(product=product, shard_id=shard_id, generation=int(generation))
        if found.key == key:
            return found
    raise LedgerError(f"{key} is no commit: expected <shard>.<generation>.json. Move the foreign object away.")


def read_commit(target: Store, found: CommitId) -> Commit:
    """Read a commit.

    Raises:
        ObjectMissing: It is not there.
        LedgerError: It is not a commit, or not the one that its key says.
    """
    return _parse(target.get(found.key), found.key, found)


def read_commit_bytes(target: Store, found: CommitId) -> tuple[Commit, str]:
    """A commit and the SHA-256 of its bytes; raises as ``read_commit``."""
    data = target.get(found.key)
    return _parse(data, found.key, found), sha256_hex(data)


def _parse(data: bytes, key: str, expected: CommitId | None = None) -> Commit:
    try:
        fields: dict[str, Any] = json.loads(data)
        if fields["schema_version"] != SCHEMA_VERSION:
            raise LedgerError(
                f"{key} has schema version {fields['schema_version']}, this program reads {SCHEMA_VERSION}: "
                "use the version that wrote it"
            )
        faces = fields.pop("faces_commit")
        objects = tuple(CommittedObject(**obj) for obj in fields.pop("objects"))
        commit = Commit(
            **fields
            | {
                "objects": objects,
                "faces_commit": FacesCommit(**faces) if faces else None,
                "retries": tuple(fields.get("retries", ())),
                "members": tuple(Member(**member) for member in fields.get("members", ())),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"{key} is no readable commit: {str(error)[:200]}") from error
    if commit.key != key or (expected and expected.key != key):
        raise LedgerError(f"{key} holds the commit {commit.key}: it was copied or renamed")
    return commit


def get_verified(target: Store, obj: CommittedObject) -> bytes:
    """The bytes of an object that somebody vouched for.

    Raises:
        LedgerError: The object is missing or other than promised.
    """
    try:
        data = target.get(obj.key)
    except ObjectMissing as error:
        raise LedgerError(f"{obj.key} is gone from {target.uri} although it is published: restore it") from error
    if len(data) != obj.size or sha256_hex(data) != obj.sha256:
        raise LedgerError(f"{obj.key} in {target.uri} is not what was published (size or SHA-256 differs): restore it")
    return data
