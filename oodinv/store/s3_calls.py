"""What happens on the wire during one call of the S3 client: requests counted, lost answers remembered.

The client repeats requests by itself and tells only how the last one ended. Two things need all of them: the number of
billed requests, and whether a conditional write that is refused in the end may have been applied by an earlier try.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

READ_OPERATIONS = frozenset({"GetObject", "HeadObject"})
FREE_OPERATIONS = frozenset({"DeleteObject", "AbortMultipartUpload"})
NOT_IMPLEMENTED = 501
NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)

_current = threading.local()


class RequestCount:
    """Billed requests of one store, counted by any number of threads. Another process starts from zero."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, operation: str) -> None:
        """Count one request as providers bill it: GET and HEAD ``read``; PUT, POST and LIST ``write``; DELETE free."""
        if operation not in FREE_OPERATIONS:
            with self._lock:
                self._counts["read" if operation in READ_OPERATIONS else "write"] += 1

    def by_kind(self) -> Mapping[str, int]:
        """The counts so far: ``read``, ``write``."""
        with self._lock:
            return dict(self._counts)

    def __reduce__(self) -> tuple[type["RequestCount"], tuple[()]]:
        return RequestCount, ()


@dataclass
class Call:
    """One call of the client, with all its tries."""

    count: RequestCount

    unclear: bool = field(default=False)
    """A try was sent, and no answer says whether it was applied."""


@contextmanager
def watched(count: RequestCount) -> Iterator[Call]:
    """Watch the calls that this thread makes inside the block."""
    call = Call(count)
    _current.call = call
    try:
        yield call
    finally:
        _current.call = None


def watch(client: Any) -> None:
    """Make a client report to ``watched``."""
    client.meta.events.register_first("before-send.s3", _on_send)
    client.meta.events.register_first("needs-retry.s3", _on_answer)


def _on_send(event_name: str, **_: Any) -> None:
    call = getattr(_current, "call", None)
    if call is not None:
        call.count.add(event_name.rpartition(".")[2])


def _on_answer(response: Any = None, caught_exception: Exception | None = None, **_: Any) -> None:
    call = getattr(_current, "call", None)
    if call is None:
        return
    if response is None:
        call.unclear |= not isinstance(caught_exception, NEVER_SENT)
    else:
        status = response[0].status_code
        call.unclear |= status >= 500 and status != NOT_IMPLEMENTED
