"""A store in memory that remembers every state it was in."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from oodinv.store import ObjectInfo, ObjectMissing, Store
from oodinv.store.keys import check_key

TODAY = 1e9


@dataclass
class MemoryStore:
    """Keys to bytes. ``history`` holds what each write that changed something left behind."""

    objects: dict[str, bytes] = field(default_factory=dict)
    history: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    uri: str = "memory"
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix))
        return (self.head(key) for key in keys if key in self.objects)

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        with self._lock:
            rest = [key.removeprefix(prefix) for key in self.objects if key.startswith(prefix)]
        return tuple(sorted({name.split("/")[0] for name in rest if "/" in name}))

    def get(self, key: str) -> bytes:
        with self._lock:
            if key not in self.objects:
                raise ObjectMissing(key, self.uri)
            return self.objects[key]

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        info = self.head(key)
        return info, self.get(key) if info.size <= max_bytes else None

    def head(self, key: str) -> ObjectInfo:
        data = self.get(key)
        return ObjectInfo(key=key, size=len(data), etag=str(hash(data)))

    def put(self, key: str, data: bytes) -> None:
        self._change(f"put {key}", {check_key(key): data})

    def create(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self.objects:
                return False
            self._change(f"create {key}", {check_key(key): data})
            return True

    def delete(self, key: str) -> None:
        with self._lock:
            if self.objects.pop(key, None) is not None:
                self._change(f"delete {key}", {})

    def requests(self) -> Mapping[str, int]:
        return {}

    def _change(self, name: str, written: dict[str, bytes]) -> None:
        with self._lock:
            self.objects |= written
            self.history.append((name, dict(self.objects)))


@dataclass
class TimedStore(MemoryStore):
    """Knows when each object was written, by a clock that tests move."""

    clock: float = TODAY
    written: dict[str, float] = field(default_factory=dict)

    def head(self, key: str) -> ObjectInfo:
        info = super().head(key)
        return ObjectInfo(key=key, size=info.size, etag=info.etag, modified=self.written.get(key, TODAY))

    def _change(self, name: str, written: dict[str, bytes]) -> None:
        self.written.update(dict.fromkeys(written, self.clock))
        super()._change(name, written)


def crash_points(
    work: Callable[[Store], object], before: Mapping[str, bytes] | None = None
) -> Iterator[tuple[str, MemoryStore]]:
    """Every state in which a process that dies during ``work`` can leave a store.

    Dying before a call and after the one before it leave the same objects, and reads change none, so these states are
    all that killing before and after every single call could show.

    Args:
        work: What to interrupt; runs once.
        before: What the store holds when it begins; None = nothing.

    Yields:
        A name for the crash point, and a store in that state.
    """
    undisturbed = MemoryStore(objects=dict(before or {}))
    work(undisturbed)
    for name, objects in [("before anything", dict(before or {})), *undisturbed.history]:
        yield f"after {name}", MemoryStore(objects=dict(objects))
