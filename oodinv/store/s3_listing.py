"""Listing many objects quickly and in the order of keys.

Quickly: below the first page, folders are listed by several threads a bounded way ahead of the reader.

In order: most servers list by key, where ``a-b`` comes before ``a/b``. Some walk folders instead, and there everything
in ``a/`` comes before ``a-b``. Both orders are made one here, without knowing which it is: an object is passed on as
soon as no smaller key can follow in either.
"""

import heapq
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from oodinv.store.errors import StoreError
from oodinv.store.protocol import ObjectInfo

THREADS = 8
_FOLDERS_AHEAD = 16
_PAGES_AHEAD = 4
"""Pages of one folder that wait for the reader; with the folders ahead, the bound on memory."""

_ENOUGH_FOLDERS = 2 * THREADS
_MAX_LOOKS = 8
_MAX_PAGES_OF_A_LOOK = 4
"""Bounds on what is spent on finding folders to share out. A folder of more entries than this has many photos itself,
or so many small folders that one request for each would take longer than going through it."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A piece of a listing."""

    objects: tuple[ObjectInfo, ...]

    folders: tuple[str, ...] = ()
    """Ending in ``/``; only when folders were asked for."""

    token: str | None = None
    """Asks for the next page; None on the last."""


FetchPage = Callable[[str, str | None, bool], Page]
"""(prefix, token, by folder) → page; raises StoreError."""


def listed(fetch: FetchPage, prefix: str, where: str) -> Iterator[ObjectInfo]:
    """Everything whose key starts with ``prefix``, sorted by key.

    Args:
        fetch: Gets one page. Called by several threads.
        prefix: What keys start with.
        where: The store, for messages.

    Raises:
        StoreError: A page cannot be fetched; or the server follows neither order.
    """
    first = fetch(prefix, None, False)
    if first.token is None:
        yield from _ascending(sorted(first.objects, key=lambda info: info.key), where)
        return
    # The first objects come at once, for readers that want no more. They are listed again below and left out there.
    passed = ""
    order = _Order(prefix)
    for info in _ascending((info for found in first.objects for info in order.add(found)), where):
        yield info
        passed = info.key
    known = {info.key for info in first.objects}
    for info in _ascending(_by_parts(fetch, _parts(fetch, prefix)), where):
        if info.key > passed:
            yield info
        elif info.key not in known and info.key not in {info.key for info in fetch(prefix, None, False).objects}:
            raise _disorder(where, info.key, passed)  # else it was written meanwhile, too late for this listing


def _ascending(objects: Iterable[ObjectInfo], where: str) -> Iterator[ObjectInfo]:
    last: str | None = None
    for info in objects:
        if last is not None and info.key <= last:
            raise _disorder(where, info.key, last)
        last = info.key
        yield info


def _disorder(where: str, key: str, last: str) -> StoreError:
    return StoreError(
        f"{where} lists its keys in no known order ({key[:200]!r} after {last[:200]!r}), so that none can be told "
        "to be missing: copy the objects to a general purpose bucket or another server"
    )


class _Order:
    """Makes the order of keys of a listing that is by key or by folder.

    What is in the reader's folder itself comes at once; what is in folders below waits until names like ``folder-x``
    cannot come any more, so that at most one of those folders is held in memory.
    """

    def __init__(self, prefix: str):
        self._start = prefix.rfind("/") + 1
        self._held: list[tuple[str, int, ObjectInfo]] = []
        self._number = itertools.count()

    def add(self, info: ObjectInfo) -> Iterator[ObjectInfo]:
        """Take the next object of the listing; gives what nothing smaller can follow."""
        heapq.heappush(self._held, (info.key, next(self._number), info))
        # Names in the folder never descend in either order, and no key is smaller than the name it begins with.
        name = info.key[: self._start] + info.key[self._start :].partition("/")[0]
        while self._held and self._held[0][0] <= name:
            yield heapq.heappop(self._held)[2]

    def rest(self) -> Iterator[ObjectInfo]:
        """What is held, once the listing has ended."""
        while self._held:
            yield heapq.heappop(self._held)[2]


def _parts(fetch: FetchPage, prefix: str) -> list[str | ObjectInfo]:
    """Objects and folders, by key, that together are everything below ``prefix``; enough of them to share out."""
    parts: list[str | ObjectInfo] = [prefix]
    undivided = deque([prefix])
    for _ in range(_MAX_LOOKS):
        if not undivided or len(undivided) >= _ENOUGH_FOLDERS:
            break
        folder = undivided.popleft()
        entries = _entries(fetch, folder)
        if entries is not None:  # else it is listed as a whole
            index = parts.index(folder)
            parts[index : index + 1] = entries
            undivided.extend(entry for entry in entries if isinstance(entry, str))
    return parts


def _entries(fetch: FetchPage, folder: str) -> list[str | ObjectInfo] | None:
    """Objects and folders of one folder, by key; None for more than can be worth a look."""
    entries: list[str | ObjectInfo] = []
    token = None
    for _ in range(_MAX_PAGES_OF_A_LOOK):
        page = fetch(folder, token, True)
        entries += [*page.objects, *page.folders]
        token = page.token
        if token is None:
            return sorted(entries, key=_sort_key)
    return None


def _sort_key(part: str | ObjectInfo) -> str:
    return part if isinstance(part, str) else part.key


def _by_parts(fetch: FetchPage, parts: list[str | ObjectInfo]) -> Iterator[ObjectInfo]:
    with _Ahead(fetch, [part for part in parts if isinstance(part, str)]) as ahead:
        for part in parts:
            if isinstance(part, ObjectInfo):
                yield part
                continue
            order = _Order(part)
            for page in ahead.next_folder():
                for info in page.objects:
                    yield from order.add(info)
            yield from order.rest()


class _Ahead:
    """Threads that list folders in their order, a bounded way ahead of the reader.

    They are daemons, and give up when the reader does: an abandoned listing keeps no process from ending.
    """

    def __init__(self, fetch: FetchPage, folders: list[str]):
        self._fetch = fetch
        self._streams = [_Stream(folder) for folder in folders]
        self._untaken, self._unread = iter(self._streams), iter(self._streams)
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_FOLDERS_AHEAD)
        self._stop = threading.Event()

    def __enter__(self) -> "_Ahead":
        for _ in range(min(THREADS, len(self._streams))):
            threading.Thread(target=self._work, name="s3-listing", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._room.release(THREADS)

    def next_folder(self) -> Iterator[Page]:
        """The pages of the next folder."""
        waiting = next(self._unread).waiting
        while (found := waiting.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
        self._room.release()

    def _work(self) -> None:
        while True:
            self._room.acquire()
            with self._lock:
                stream = next(self._untaken, None)
            if stream is None or self._stop.is_set():
                return
            self._list(stream)

    def _list(self, stream: "_Stream") -> None:
        try:
            token = None
            while not self._stop.is_set():
                page = self._fetch(stream.folder, token, False)
                self._put(stream, page)
                token = page.token
                if token is None:
                    self._put(stream, None)
                    return
        except BaseException as error:  # the reader raises it
            self._put(stream, error)

    def _put(self, stream: "_Stream", found: Page | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                stream.waiting.put(found, timeout=0.1)
                return
            except queue.Full:
                continue


@dataclass(frozen=True)
class _Stream:
    """One folder on its way to the reader; None ends it."""

    folder: str
    waiting: "queue.Queue[Page | BaseException | None]" = field(default_factory=lambda: queue.Queue(_PAGES_AHEAD))
