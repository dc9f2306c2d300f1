"""Ray for a run: a private one on this machine, or a cluster that runs already."""

import logging
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS = "RAY_ADDRESS"
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_JOIN_S = 90.0
_LEAVE_S = 40.0
"""Ray drains a leaving node for up to 30 seconds."""
_JOINED = "This command will now block"


class ClusterUnavailable(Exception):
    """The cluster cannot be joined, or has no room. The message says what to check."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a run computes on."""

    cpus: float
    gpus: float
    nodes: int
    """Nodes with processors for actors."""
    here: bool
    """All of them are on the driver's own machine."""
    private: bool
    """Started for this run."""


def cluster_address() -> str | None:
    """The cluster that the environment names (`RAY_ADDRESS=host:6379`); None for a private Ray.

    Raises:
        ClusterUnavailable: An address that cannot be used.
    """
    address = os.environ.get(ADDRESS, "").strip()
    if address in ("", "local"):
        return None
    if "://" in address:
        raise ClusterUnavailable(
            f"{ADDRESS} must be host:port of the cluster's head, got {address!r}: this program joins the cluster as a "
            "node of its own, Ray Client addresses are not used"
        )
    return address


@contextmanager
def ray_session(num_cpus: int) -> Iterator[Cluster]:
    """Ray around a run: the cluster of `RAY_ADDRESS`, else a private one of `num_cpus` logical processors.

    Prefect learns of a termination through its signal handler, which Ray replaces; it is put back.

    Raises:
        ClusterUnavailable: The cluster does not let this machine in.
    """
    address = cluster_address()
    handler = signal.getsignal(signal.SIGTERM)
    with _joined(address) if address else _private(num_cpus):
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)
        yield _facts(private=address is None)


@contextmanager
def _private(num_cpus: int) -> Iterator[None]:
    """A Ray of this process, without dashboard and usage statistics: bound to loopback, and closed to other users.

    Who reaches Ray's ports runs code as this user. By default they are open on all interfaces, and an address given to
    `ray.init` is replaced; the only switch is the one that keeps desktops from asking about their firewall.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # With a token at hand and no word about the mode, Ray asks for the token; in this process too, whose native part
    # has read the environment long ago. Its notice about that is for those who did not know.
    if os.environ.get("RAY_AUTH_MODE") != "token":
        os.environ.pop("RAY_AUTH_MODE", None)
    if not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[_LOOPBACK] = "0"  # for the processes that are started now
    ray.init(
        address="local",
        num_cpus=num_cpus,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        object_store_memory=200 * 2**20,
    )
    try:
        yield
    finally:
        ray.shutdown()
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(_LOOPBACK, None)


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """This machine as a node without processors, so that the driver has a raylet beside it and actors run elsewhere."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    with _node(address):
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except Exception as error:
            raise ClusterUnavailable(f"the Ray cluster at {address} cannot be used: {_first_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _node(address: str) -> Iterator[None]:
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--address", address, "--num-cpus=0", "--num-gpus=0",
        "--disable-usage-stats", "--block",
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("r", suffix=".log", errors="replace") as log:
        # In a session of its own: an interrupt of the run must end the actors before the node under them.
        node = subprocess.Popen(  # noqa: S603 (our own arguments)
            command, stdout=open(log.name, "w"), stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_for_node(node, log, address)
            yield
            node.terminate()
            with suppress(subprocess.TimeoutExpired):
                node.wait(_LEAVE_S)
        finally:
            with suppress(ProcessLookupError):  # all of it, also what has not come so far as to listen to SIGTERM
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()


def _wait_for_node(node: "subprocess.Popen[Any]", log: Any, address: str) -> None:
    end, said = time.monotonic() + _JOIN_S, ""
    while time.monotonic() < end:
        said += log.read()
        if _JOINED in said:
            return
        if node.poll() is not None:
            break
        time.sleep(0.1)
    tail = " | ".join(line.strip() for line in said.splitlines() if line.strip())[-400:]
    raise ClusterUnavailable(
        f"this machine could not join the Ray cluster at {address} within {_JOIN_S:g} s. Check that the head runs and "
        f"its port is reachable, that the Ray versions are equal, and that RAY_AUTH_MODE and the token are the "
        f"cluster's. Ray said: {tail or 'nothing'}"
    )


def _facts(*, private: bool) -> Cluster:
    import ray

    own = ray.util.get_node_ip_address()
    able = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    total = ray.cluster_resources()
    return Cluster(
        cpus=total.get("CPU", 0.0),
        gpus=total.get("GPU", 0.0),
        nodes=len(able),
        here=all(node["NodeManagerAddress"] == own for node in able),
        private=private,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
