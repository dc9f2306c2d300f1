"""S3 servers for tests: moto in this process, SeaweedFS beside it, and a proxy before either that misbehaves as told.

Usage::

    with moto_server() as server:
        monkeypatch.setenv(...)  # or: give_credentials(monkeypatch, server)
        uri = server.bucket("photos")  # s3://photos
        open_store(f"{uri}/out", Access(endpoint_url=server.endpoint_url))
"""

import http.client
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore.config import Config
from processes import die_with_parent

ACCESS_KEY = "AKIATESTCANARYACCESS"
SECRET_KEY = "canary/secret+key0123456789"
READER_ACCESS_KEY = "AKIATESTCANARYREADER"
READER_SECRET_KEY = "canary/reader+key0123456789"


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A server on loopback. ``reader_…`` may read and list only (SeaweedFS; moto lets everybody do everything)."""

    endpoint_url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    reader_access_key: str = READER_ACCESS_KEY
    reader_secret_key: str = READER_SECRET_KEY

    def environment(self) -> dict[str, str]:
        """Credentials, and nothing from this machine's own AWS files or metadata service."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A client of the test's own, as its back door."""
        return _client(self.endpoint_url, self.access_key, self.secret_key)

    def bucket(self, name: str) -> str:
        """Make a bucket; its URI."""
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"


@lru_cache
def _client(endpoint_url: str, access_key: str, secret_key: str) -> Any:
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def give_credentials(monkeypatch: pytest.MonkeyPatch, server: S3Server) -> None:
    """Let the code under test reach a server; nothing of the caller's own AWS settings stays."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Moto in this process: everything AWS answers, but for rights and credentials, which it does not check."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(endpoint_url=f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def seaweed_server(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS as its own process with its data in ``folder``; gone afterwards, also when this process is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(3):  # a port may be taken between our look and the server's
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        process, server = _start_seaweed(folder / str(attempt), ports)
        try:
            if not _is_ready(process, server.endpoint_url):
                continue
            yield server
            return
        finally:
            process.kill()  # after SIGTERM it lingers for minutes, and there is nothing to save
            process.wait()
            _remove_sockets(ports.values())
    raise RuntimeError(f"SeaweedFS does not start: see {folder}/*/log")


_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc", "s3.port.iceberg", "s3.port.lance",
)  # fmt: skip


def _start_seaweed(folder: Path, ports: Mapping[str, int]) -> tuple[subprocess.Popen[bytes], S3Server]:
    (folder / "data").mkdir(parents=True)
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": _identities()}))
    # Every bucket takes volumes of its own, by default several and of a limited number.
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    command = [
        str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=64", "-volume.max=1000", "-filer", "-s3",
        f"-s3.config={config}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder)},  # for its logs
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    return process, S3Server(endpoint_url=f"http://127.0.0.1:{ports['s3.port']}")


def _identities() -> list[Mapping[str, Any]]:
    return [
        {
            "name": "admin",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_ACCESS_KEY, "secretKey": READER_SECRET_KEY}],
            "actions": ["Read", "List"],
        },
    ]


_HANDED_OUT_BY_NOBODY = range(20_000, 32_768)
"""Below the ports that Linux gives to whoever asks for any, and above Ray's."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, all different.

    Whoever gets them opens them seconds later. Another process that wants any port does not get one of these meanwhile,
    and one that looks for such ports as well, as a second worker of the tests does, hardly ever the same.
    """
    drawn = random.SystemRandom().sample(_HANDED_OUT_BY_NOBODY, len(_HANDED_OUT_BY_NOBODY))
    free = (port for port in drawn if _is_free(port))
    return list(itertools.islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as opened, suppress(OSError):
        opened.bind(("127.0.0.1", port))
        return True
    return False


def _is_ready(process: subprocess.Popen[bytes], url: str, seconds: float = 60) -> bool:
    """True when the server knows its users: without credentials it refuses. False when it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except HTTPError as error:
            error.close()
            if error.code == 403:
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def _remove_sockets(ports: Iterable[int]) -> None:
    """It puts them there whatever it is told, and a killed one leaves them."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


@dataclass(kw_only=True)
class Request:
    """A request on its way through the proxy; headers may be changed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the proxy sends back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """Close the connection after so many bytes of the body."""


LOST = Answer(status=0)
"""No answer: the connection is closed."""

Forward = Callable[[Request], Answer]
Tamper = Callable[[Request, Forward], Answer]


def error_answer(status: int, code: str, message: str = "canary", **more: str) -> Answer:
    """An error as S3 servers put it."""
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in {"Message": message, **more}.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{escape(code)}</Code>{fields}</Error>'
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def _pass_on(request: Request, forward: Forward) -> Answer:
    return forward(request)


@dataclass(kw_only=True)
class Proxy:
    """Stands before a server, or alone where ``tamper`` never forwards."""

    endpoint_url: str
    tamper: Tamper
    """May be replaced at any time; gets each request and the way to pass it on."""

    seen: list[Request] = field(default_factory=list)
    """Every request, in the order of arrival."""

    def behave(self) -> None:
        """Start anew: pass everything on."""
        self.tamper, self.seen = _pass_on, []


@contextmanager
def proxy(upstream: S3Server | None = None) -> Iterator[Proxy]:
    """A proxy on a port of its own. Signatures stay right as long as signed headers do (moto checks none)."""
    server = _ProxyServer(("127.0.0.1", 0), _ProxyHandler)
    server.upstream = upstream.endpoint_url.removeprefix("http://") if upstream else ""  # type: ignore[attr-defined]
    server.proxy = Proxy(endpoint_url=f"http://127.0.0.1:{server.server_port}", tamper=_pass_on)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.proxy  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(method=self.command, path=self.path, headers=dict(self.headers), body=body)
        self.server.proxy.seen.append(request)  # type: ignore[attr-defined]
        answer = self.server.proxy.tamper(request, self._forward)  # type: ignore[attr-defined]
        self.close_connection = True
        if answer.status:
            with suppress(OSError):  # the client may have gone
                self._answer(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)  # type: ignore[attr-defined]
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "date", "server")
            }
            return Answer(status=answer.status, body=answer.read(), headers=headers)
        finally:
            connection.close()

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name in answer.headers}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_at])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
