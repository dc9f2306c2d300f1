"""A store that dies or loses an answer at a chosen call. For all crash points at once see ``memory_store``.

Usage::

    store = FaultyStore(FolderStore(root=...), kill_at=3, when="after")
    with pytest.raises(Killed):
        work(store)
    work(store.inner)  # the next process
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from oodinv.store import ObjectInfo, OutcomeUnknown, Store


class Killed(BaseException):
    """The process ends here. Not an Exception: nothing may catch it and go on."""


@dataclass
class FaultyStore:
    """Passes calls on to ``inner`` and counts them from 1; a listing counts once, when it starts.

    ``kill_at``: die before or after that call; afterwards every call dies, as a dead process makes none.
    ``lose_answer_at``: that call is applied (``when="after"``) or not (``"before"``), and OutcomeUnknown raised.
    """

    inner: Store
    kill_at: int | None = None
    lose_answer_at: int | None = None
    when: Literal["before", "after"] = "before"
    calls: list[tuple[str, str]] = field(default_factory=list)
    dead: bool = False
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def uri(self) -> str:
        return self.inner.uri

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self._call("list", prefix, lambda: iter(tuple(self.inner.list(prefix))))

    def folders(self, prefix: str = "") -> tuple[str, ...]:
        return self._call("folders", prefix, lambda: self.inner.folders(prefix))

    def get(self, key: str) -> bytes:
        return self._call("get", key, lambda: self.inner.get(key))

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        return self._call("fetch", key, lambda: self.inner.fetch(key, max_bytes))

    def head(self, key: str) -> ObjectInfo:
        return self._call("head", key, lambda: self.inner.head(key))

    def put(self, key: str, data: bytes) -> None:
        return self._call("put", key, lambda: self.inner.put(key, data))

    def create(self, key: str, data: bytes) -> bool:
        return self._call("create", key, lambda: self.inner.create(key, data))

    def delete(self, key: str) -> None:
        return self._call("delete", key, lambda: self.inner.delete(key))

    def requests(self) -> Mapping[str, int]:
        return self.inner.requests()

    def _call(self, method: str, key: str, act: Callable[[], Any]) -> Any:
        with self._lock:
            if self.dead:
                raise Killed(f"{method} {key} after death")
            self.calls.append((method, key))
            number = len(self.calls)
        if number == self.kill_at and self.when == "before":
            self._die(method, key)
        if number == self.lose_answer_at and self.when == "before":
            raise OutcomeUnknown(f"{method} {key}: request lost")
        result = act()
        if number == self.kill_at:
            self._die(method, key)
        if number == self.lose_answer_at:
            raise OutcomeUnknown(f"{method} {key}: answer lost")
        return result

    def _die(self, method: str, key: str) -> None:
        self.dead = True
        raise Killed(f"{method} {key}")
