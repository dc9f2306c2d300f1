"""Pictures of a shard in a few tars instead of an object each; and reading a picture wherever it lies.

A key such as ``products/<product>/data/<hh>/<shard>/<attempt>/<name>`` names a picture in both cases. Where there is no
such object, a tar ``…/<attempt>/objects-<n>.tar`` has a member ``<name>``; the commit says which, and where its bytes
begin. Rows are the same, and so is everything that compares runs.
"""

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from oodinv.ledger.commit import Commit, CommittedObject, Member, get_verified, list_commits, read_commit
from oodinv.ledger.errors import LedgerError
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.layout import ATTEMPT_DEPTH
from oodinv.store import ObjectMissing, Store

MOST_BYTES = 64 * 2**20
"""Of one tar, unless a single picture is larger: a worker holds it in memory until it is full."""


@dataclass(frozen=True, kw_only=True)
class _Placed:
    name: str
    offset: int
    data_size: int
    sha256: str


class TarWriter:
    """One tar in memory. For one thread at a time."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.USTAR_FORMAT)
        self._placed: dict[str, _Placed] = {}

    @property
    def size(self) -> int:
        """Bytes by now; 0 while nothing was added."""
        return self._buffer.tell()

    @property
    def names(self) -> list[str]:
        """Of what was added."""
        return list(self._placed)

    def add(self, name: str, data: bytes) -> None:
        """Append a file."""
        entry = _entry(name, len(data))
        self._tar.addfile(entry, io.BytesIO(data))
        # Padded to whole blocks of 512 behind its bytes.
        offset = self.size - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        self._placed[name] = _Placed(name=name, offset=offset, data_size=len(data), sha256=sha256_hex(data))

    def link(self, name: str, other: str) -> bool:
        """Append a file that is one of this tar, by another name; False when that one is not in it."""
        placed = self._placed.get(other)
        if placed is None:
            return False
        entry = _entry(name, 0)
        entry.type, entry.linkname = tarfile.LNKTYPE, other
        self._tar.addfile(entry)
        self._placed[name] = _Placed(name=name, offset=placed.offset, data_size=placed.data_size, sha256=placed.sha256)
        return True

    def finish(self, key: str) -> tuple[bytes, tuple[Member, ...]]:
        """The tar's bytes, and what is in it once it lies at `key`; nothing can be added any more."""
        self._tar.close()
        folder = key.rpartition("/")[0]
        members = tuple(
            Member(key=f"{folder}/{p.name}", size=p.data_size, sha256=p.sha256, tar=key, offset=p.offset)
            for p in self._placed.values()
        )
        return self._buffer.getvalue(), members


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


class ObjectReader:
    """Reads pictures and masks by their keys, from objects and from tars. For any number of threads."""

    def __init__(self, target: Store):
        """Nothing is read.

        Args:
            target: The dataset.
        """
        self._target, self._lock = target, threading.Lock()
        self._members: tuple[str, Mapping[str, Member]] = ("", {})
        self._tar: tuple[str, bytes] = ("", b"")

    def get(self, key: str) -> bytes:
        """The bytes that an ``out_key`` or ``mask_key`` names.

        Neighbours are cheap: the last tar is kept.

        Raises:
            LedgerError: There is no such object and no commit that has it in a tar; or the tar is damaged.
        """
        with self._lock:
            if key not in self._members[1]:
                try:
                    return self._target.get(key)
                except ObjectMissing:
                    self._members = _members_beside(self._target, key)
            member = self._members[1].get(key)
            if member is None:
                raise LedgerError(f"{key} is gone from {self._target.uri} although it is published: restore it")
            if self._tar[0] != member.tar:
                self._tar = (member.tar, self._target.get(member.tar))
            data = self._tar[1][member.offset : member.offset + member.size]
        if sha256_hex(data) != member.sha256:
            raise LedgerError(f"{key} in {member.tar} is not what was published (SHA-256 differs): restore it")
        return data

    def get_verified(self, key: str, size: int, sha256: str) -> bytes:
        """The same, compared with what a row says; raises as ``get``."""
        data = self.get(key)
        if len(data) != size or sha256_hex(data) != sha256:
            raise LedgerError(f"{key} in {self._target.uri} is not what its row says (size or SHA-256): restore it")
        return data


def _members_beside(target: Store, key: str) -> tuple[str, dict[str, Member]]:
    """Everything in tars that the attempt has committed to which a key belongs."""
    folders = key.split("/")[:ATTEMPT_DEPTH]
    if len(folders) < ATTEMPT_DEPTH:
        return "", {}
    _, product, _, _, shard_id, attempt = folders
    for found in list_commits(target, product, shard_id):
        commit = read_commit(target, found)
        if commit.attempt == attempt:
            return commit.key, {member.key: member for member in commit.members}
    return "", {}


def read_tar(target: Store, commit: Commit, tar: CommittedObject) -> Iterator[tuple[str, bytes] | str]:
    """Read a tar and what the commit says is in it: each member's key and bytes, or a problem."""
    inside = [member for member in commit.members if member.tar == tar.key]
    try:
        data = get_verified(target, tar)
        names = _names(data)
    except (LedgerError, tarfile.TarError) as error:
        yield str(error)
        return
    for member in inside:
        found = data[member.offset : member.offset + member.size]
        if sha256_hex(found) != member.sha256:
            yield f"{member.key} is not at its place in {tar.key}"
        elif member.key.rpartition("/")[2] not in names:
            yield f"{tar.key} has no member {member.key.rpartition('/')[2]}"
        else:
            yield member.key, found


def _names(data: bytes) -> Sequence[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return archive.getnames()
