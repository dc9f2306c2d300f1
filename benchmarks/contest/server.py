"""SeaweedFS on loopback, and how often it was asked."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_KEY = "contestcontest"
_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_KIND = re.compile(r'^SeaweedFS_s3_request_total\{.*type="([A-Za-z]+)".*\} ([0-9.e+]+)$', re.M)


@dataclass(frozen=True, kw_only=True)
class Server:
    """That runs."""

    endpoint_url: str
    metrics_url: str

    def environment(self) -> dict[str, str]:
        """For whoever is to reach it."""
        return {
            "CONTEST_ENDPOINT": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def requests(self) -> dict[str, int]:
        """Requests it has answered, by kind."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:  # noqa: S310 (loopback)
            text = answer.read().decode()
        counts: dict[str, int] = {}
        for kind, count in _KIND.findall(text):
            counts[kind] = counts.get(kind, 0) + int(float(count))
        return counts


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """One with its data in a folder; gone afterwards."""
    (folder / "data").mkdir(parents=True)
    ports = {name: _free_port() for name in _PORTS} | {"metricsPort": _free_port()}
    # Its gRPC ports are these plus 10,000.
    command = [
        str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=256", "-volume.max=500", "-filer", "-s3",
        f"-s3.config={folder / 's3.json'}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    keys = {"accessKey": _KEY, "secretKey": _KEY}
    everything = {"name": "contest", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [everything]}))
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: S603 (our own arguments)
    try:
        _wait_until_open(process, ports["s3.port"], folder / "log")
        yield Server(
            endpoint_url=f"http://127.0.0.1:{ports['s3.port']}",
            metrics_url=f"http://127.0.0.1:{ports['metricsPort']}/metrics",
        )
    finally:
        process.kill()
        process.wait()


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            time.sleep(2.0)  # it listens before its volumes are there
            return
        time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS does not start: see {log}")


def _free_port() -> int:
    """With the one 10,000 above it."""
    for port in range(20_000 + time.time_ns() % 5000, 32_000):
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port
    raise RuntimeError("no free port between 20000 and 32000")
