"""A Ray cluster of several nodes on this machine, each in processes of its own, with a token."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_START_S = 90


@dataclass
class Nodes:
    """The first is the head."""

    address: str
    environment: dict[str, str]
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def add(self, log: Path, *options: str) -> "subprocess.Popen[bytes]":
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", *options]
        with open(log, "wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, env=os.environ | self.environment, start_new_session=True
            )
        self.processes.append(process)
        end = time.monotonic() + _START_S
        while b"will now block" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"no Ray node: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        return process

    def kill(self, index: int) -> None:
        """SIGKILL everything of one node."""
        with suppress(ProcessLookupError):
            os.killpg(self.processes[index].pid, signal.SIGKILL)
        self.processes[index].wait()


@contextmanager
def ray_nodes(folder: Path, *, nodes: int = 2, cpus: int = 1) -> Iterator[Nodes]:
    """So many nodes of so many processors; `environment` lets others in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(32)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:  # sends nothing
        try:
            route.connect(("192.0.2.1", 9))
            host = route.getsockname()[0]
        except OSError:
            host = "127.0.0.1"
    cluster = Nodes(address=f"{host}:{port}", environment={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
    try:
        same = (f"--num-cpus={cpus}", f"--node-ip-address={host}", "--object-store-memory=100000000")
        cluster.add(folder / "head.log", "--head", f"--port={port}", "--include-dashboard=false", *same)
        for index in range(1, nodes):
            cluster.add(folder / f"node{index}.log", f"--address={cluster.address}", *same)
        yield cluster
    finally:
        for index in range(len(cluster.processes)):
            cluster.kill(index)
