"""The objects of one attempt at one shard of one product."""

from oodinv.engine.strips import SUFFIX
from oodinv.ledger.commit import CommittedObject
from oodinv.ledger.identity import new_attempt
from oodinv.ledger.part import write_object
from oodinv.store import Store


class Upload:
    """Writes below the attempt's own prefix and remembers what the commit must list."""

    def __init__(self, target: Store, product: str, shard_id: str):
        self._target, self._product, self._shard_id = target, product, shard_id
        self.attempt = new_attempt()
        self.objects: list[CommittedObject] = []

    def put(self, name: str, data: bytes) -> str:
        """Write one object; its key."""
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

    def copy(self, sample_id: str, other_id: str) -> dict[str, str]:
        """Write again under another sample's name what was written under one's: old key → new key."""
        copied = {}
        for found in list(self.objects):
            name = found.key.rpartition("/")[2]
            if name.startswith(sample_id) and not name.endswith(SUFFIX):
                copied[found.key] = self.put(other_id + name.removeprefix(sample_id), self._target.get(found.key))
        return copied
