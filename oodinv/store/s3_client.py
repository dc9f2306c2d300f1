"""The S3 client of this process: one for each server, shared by all threads."""

import hashlib
import os
import threading
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from oodinv.store.errors import LocationError
from oodinv.store.s3_calls import watch
from oodinv.store.s3_uri import check_endpoint

MAX_CONNECTIONS = 32
"""At least the threads that use one client at once: the listing's and a worker's."""

MAX_ATTEMPTS = 6
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60

_lock = threading.Lock()
_clients: dict[tuple[str | None, str], Any] = {}


def client_for(endpoint_url: str | None) -> Any:
    """The client for a server, made on first use.

    Credentials, region and profile come from the default chain. A client lives until the process ends, but a changed
    AWS environment gets a new one.

    Args:
        endpoint_url: The server; None = what environment and profile say, else AWS.

    Raises:
        BotoCoreError: Environment or profile are not usable.
        LocationError: The endpoint that the environment names is none.
    """
    key = endpoint_url, _environment()
    with _lock:
        if key not in _clients:
            _clients[key] = _new_client(endpoint_url)
        return _clients[key]


def server_name(endpoint_url: str | None) -> str:
    """The server for people: its address, or ``AWS``."""
    if endpoint_url is not None:
        return endpoint_url
    try:
        found = client_for(None).meta.endpoint_url
    except (BotoCoreError, ValueError):  # the call that failed says so in other words
        return "AWS"
    return "AWS" if _is_aws(found) else found


def forget_clients() -> None:
    """Start anew. Connections and locks must not be shared with a forked child."""
    global _lock
    _lock = threading.Lock()
    _clients.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=forget_clients)


def _environment() -> str:
    """Stands for all settings that the environment gives to a client, as a digest: it may hold secrets."""
    settings = sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    return hashlib.sha256(repr(settings).encode(errors="surrogateescape")).hexdigest()


def _new_client(endpoint_url: str | None) -> Any:
    try:
        client = _client(endpoint_url, path_style=endpoint_url is not None)
    except BotoCoreError:
        raise
    except ValueError:  # dropped, for its text quotes the endpoint
        client = None
    if client is None:
        raise LocationError(
            "the endpoint in AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 or the AWS profile is no URL: expected one like "
            "https://s3.example.org or http://127.0.0.1:9000"
        )
    found = check_endpoint(client.meta.endpoint_url)
    if endpoint_url is None and not _is_aws(found):
        client = _client(None, path_style=True)  # the environment or profile named another server
    watch(client)
    return client


def _client(endpoint_url: str | None, *, path_style: bool) -> Any:
    session = botocore.session.Session()
    chosen = session.get_scoped_config().get("s3", {})
    config = Config(
        retries={"mode": "adaptive", "total_max_attempts": MAX_ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        tcp_keepalive=True,
        max_pool_connections=MAX_CONNECTIONS,
        # Other servers than AWS choke on the newer checksums; Content-MD5 and our own sha256 do the work.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="oodinv",
        # Most other servers are not found under bucket.host; the few that insist on it have it in the profile.
        s3={"addressing_style": "path"} if path_style and "addressing_style" not in chosen else None,
    )
    return session.create_client("s3", endpoint_url=endpoint_url, config=config)


def _is_aws(endpoint_url: str) -> bool:
    host = endpoint_url.partition("://")[2].partition(":")[0].partition("/")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
