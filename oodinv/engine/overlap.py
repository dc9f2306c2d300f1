"""Fetching and decoding ahead of the model, finishing and writing behind it: threads with bounded memory.

What comes out is in the order of what goes in, and the same with any number of threads, none included.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")

MOST_BYTES = 256 * 2**20
"""Of pixels that wait on either side of the model. A single photo may be larger: it is alone then."""


class Ahead(Generic[T, R]):
    """Works on items before they are asked for."""

    def __init__(
        self,
        threads: ThreadPoolExecutor | None,
        *,
        most: int,
        size_of: Callable[[T], int],
        most_bytes: int = MOST_BYTES,
        lane: ThreadPoolExecutor | None = None,
    ):
        """Nothing is begun.

        Args:
            threads: None = an item is worked on when it is asked for, by whoever asks.
            most: Items that may wait.
            size_of: Bytes that an item's result will take, as far as can be known before.
            most_bytes: Of all that wait together.
            lane: One thread that goes on with each item, in their order; None = those of `threads` do.
        """
        self._threads, self._most, self._size_of, self._most_bytes = threads, most, size_of, most_bytes
        self._lane = lane

    def __call__(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Each item with its result, in the order of the items; raises as `then`."""
        return self.then(work, lambda _, made: made, items)

    def then(self, work: Callable[[T], S], then: Callable[[T, S], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Each item with what `then` makes of it and of what `work` made, in the order of the items.

        Raises:
            Exception: What either raised for an item, when that is asked for; what was begun beyond it is let end.
        """
        if self._threads is None:
            for item in items:
                yield item, then(item, work(item))
            return
        waiting: deque[_Begun[T, R]] = deque()
        held, rest = 0, iter(items)
        following = next(rest, None)
        try:
            while waiting or following is not None:
                while following is not None and len(waiting) < self._most:
                    size = self._size_of(following)
                    if waiting and held + size > self._most_bytes:
                        break
                    waiting.append(self._begin(work, following, then, size))
                    held, following = held + size, next(rest, None)
                begun = waiting.popleft()
                item, size, result = begun.item, begun.size, begun.result.result()
                del begun  # else its result would outlive its use
                yield item, result
                del result
                held -= size
        finally:
            _let_end([future for begun in waiting for future in begun.futures])

    def _begin(self, work: Callable[[T], S], item: T, then: Callable[[T, S], R], size: int) -> "_Begun[T, R]":
        assert self._threads is not None
        if self._lane is None:
            only = self._threads.submit(lambda: then(item, work(item)))
            return _Begun(item=item, size=size, result=only, futures=(only,))
        first = self._threads.submit(work, item)
        box = [first]
        # Popped: a future that is waited for would hold its result as long as the one that waits.
        last = self._lane.submit(lambda: then(item, box.pop().result()))
        return _Begun(item=item, size=size, result=last, futures=(first, last))


@dataclass(frozen=True, kw_only=True)
class _Begun(Generic[T, R]):
    item: T
    size: int
    result: "Future[R]"
    futures: "tuple[Future[Any], ...]"


class Behind:
    """Takes work over, a bounded amount of it; with no threads it is done at once."""

    def __init__(self, threads: ThreadPoolExecutor | None, *, most: int, most_bytes: int = MOST_BYTES):
        """Nothing is begun.

        Args:
            threads: None = work is done by whoever hands it over.
            most: Pieces that may wait or be under way.
            most_bytes: Of all these together.
        """
        self._threads, self._most, self._most_bytes = threads, most, most_bytes
        self._pending: set[Future[Any]] = set()
        self._bytes = 0
        self._failed: BaseException | None = None
        self._changed = threading.Condition()

    def do(self, work: Callable[[], R], size: int) -> Callable[[], R]:
        """Hand work over, as soon as there is room for it.

        Args:
            work: Done once.
            size: Bytes that it holds until it is done.

        Returns:
            Waits for the result and gives it.

        Raises:
            Exception: What an earlier piece of work raised: nothing more is begun after it.
        """
        if self._threads is None:
            result = work()
            return lambda: result
        with self._changed:
            while self._failed is None and self._pending and self._is_full(size):
                self._changed.wait()
            if self._failed is not None:
                raise self._failed
            future = self._threads.submit(work)
            self._pending.add(future)
            self._bytes += size
        future.add_done_callback(lambda done: self._done(done, size))
        return future.result

    def wait(self) -> None:
        """Until nothing is under way.

        Raises:
            Exception: What a piece of work raised.
        """
        with self._changed:
            while self._pending:
                self._changed.wait()
            if self._failed is not None:
                raise self._failed

    def abandon(self) -> None:
        """Begin nothing more, and wait for what is under way: it must not go on behind somebody's back.

        Who hands over work after that gets a RuntimeError.
        """
        with self._changed:
            self._failed = self._failed or RuntimeError("whoever asked for this has given up")
            pending = list(self._pending)
        _let_end(pending)

    def _is_full(self, size: int) -> bool:
        return len(self._pending) >= self._most or self._bytes + size > self._most_bytes

    def _done(self, future: "Future[Any]", size: int) -> None:
        with self._changed:
            self._pending.discard(future)
            self._bytes -= size
            if not future.cancelled() and self._failed is None:
                self._failed = future.exception()
            self._changed.notify_all()


def _let_end(futures: Iterable["Future[Any]"]) -> None:
    for future in futures:
        if not future.cancel():
            future.exception()  # waits
