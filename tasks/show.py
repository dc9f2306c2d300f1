"""What is shown to people must not stop what is computed: artifacts and events, as good as the server is there."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from oodinv.ledger.identity import sha256_hex

logger = logging.getLogger("oodinv.run")

SERVER_TROUBLE = (httpx.HTTPError, PrefectException, OSError)
"""What a server that is away or overloaded looks like from here."""


_PAUSE_S = 300.0
"""A server that is away costs a minute of retries each time it is asked."""

_away_since: float | None = None


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Create or update artifacts; when the server does not take them, the log says so and the run goes on."""
    global _away_since
    try:
        yield
        _away_since = None
    except SERVER_TROUBLE as error:
        _away_since = time.monotonic()
        logger.warning("%s could not be shown in the UI: %s", what, str(error)[:200] or type(error).__name__)


def worth_asking() -> bool:
    """False for some minutes after the server was found away: what can be left out should be."""
    return _away_since is None or time.monotonic() - _away_since > _PAUSE_S


def announce(event: str, target: str, payload: Mapping[str, Any]) -> None:
    """Emit an event about a dataset; automations can wait for it."""
    resource = {
        "prefect.resource.id": f"oodinv.dataset.{sha256_hex(target.encode())[:16]}",
        "prefect.resource.name": target,
    }
    with shown(f"the event {event}"):
        emit_event(event, resource=resource, payload=dict(payload))
