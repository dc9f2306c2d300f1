"""The objects of one attempt at one shard of one product."""

import threading

from oodinv.engine.strips import SUFFIX
from oodinv.ledger.commit import CommittedObject, Member
from oodinv.ledger.identity import new_attempt
from oodinv.ledger.layout import attempt_prefix
from oodinv.ledger.part import write_object
from oodinv.ledger.tars import MOST_BYTES, TarWriter
from oodinv.store import Store


class Upload:
    """Writes below the attempt's own prefix and remembers what the commit must list. For any number of threads.

    With tars, what is put is gathered in memory and written some tens of MB at a time; previews are objects of their
    own all the same.
    """

    def __init__(self, target: Store, product: str, shard_id: str, *, tars: bool = False, most_bytes: int = MOST_BYTES):
        self._target, self._product, self._shard_id = target, product, shard_id
        self.attempt = new_attempt()
        self.objects: list[CommittedObject] = []
        self.members: list[Member] = []
        self._lock, self._most_bytes, self._num_tars = threading.RLock(), most_bytes, 0
        self._tar = TarWriter() if tars else None

    def put(self, name: str, data: bytes) -> str:
        """Write one picture, mask or preview; its key."""
        if self._tar is None or name.endswith(SUFFIX):
            return self._write(name, data)
        with self._lock:
            self._tar.add(name, data)
            self._flush(self._most_bytes)
        return self._key(name)

    def finish(self) -> None:
        """Write what is left; `objects` and `members` are whole then."""
        with self._lock:
            self._flush(0)

    def copy(self, sample_id: str, other_id: str) -> dict[str, str]:
        """Give what was put under one sample's name another's name too: old key → new key."""
        copied = {}
        with self._lock:
            every: list[CommittedObject | Member] = [*self.objects, *self.members]
            stored = {found.key.rpartition("/")[2]: found for found in every}
            for name in sorted({*stored, *([] if self._tar is None else self._tar.names)}):
                if name.startswith(sample_id) and not name.endswith(SUFFIX):
                    new = other_id + name.removeprefix(sample_id)
                    linked = self._tar is not None and self._tar.link(new, name)
                    copied[self._key(name)] = self._key(new) if linked else self.put(new, self._read(stored[name]))
        return copied

    def _read(self, found: CommittedObject | Member) -> bytes:
        if isinstance(found, Member):
            return self._target.get(found.tar)[found.offset : found.offset + found.size]
        return self._target.get(found.key)

    def _flush(self, most_bytes: int) -> None:
        if self._tar is None or self._tar.size <= most_bytes:
            return
        name = f"objects-{self._num_tars:05d}.tar"
        data, members = self._tar.finish(self._key(name))
        self._write(name, data)
        self.members += members
        self._num_tars, self._tar = self._num_tars + 1, TarWriter()

    def _write(self, name: str, data: bytes) -> str:
        written = write_object(
            self._target,
            product=self._product,
            shard_id=self._shard_id,
            attempt=self.attempt,
            name=name,
            data=data,
        )
        self.objects.append(written)
        return written.key

    def _key(self, name: str) -> str:
        return attempt_prefix(self._product, self._shard_id, self.attempt) + name
