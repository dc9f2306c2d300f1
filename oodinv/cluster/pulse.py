"""Is Ray still there? Told in time: Ray ends a driver that cannot reach its head for a minute, without a word."""

import socket
import time

import ray

_EVERY_S = 2.0
_HEAD_SILENT_S = 15.0
"""Well below the 60 seconds after which Ray ends the process."""


class ClusterLost(Exception):
    """Ray, or this machine's part of it, is gone. What is committed stays; the rest can be done on another session."""


class Pulse:
    """Looks after the head and the driver's own node. Needs a running Ray."""

    def __init__(self) -> None:
        context = ray.get_runtime_context()
        host, _, port = context.gcs_address.rpartition(":")
        self._head, self._node = (host.strip("[]"), int(port)), context.get_node_id()
        self._last_look = self._last_answer = time.monotonic()

    def check(self, *, force: bool = False) -> None:
        """Look every two seconds, or now.

        Raises:
            ClusterLost: The head has been silent for 15 seconds, or the driver's node is dead.
        """
        now = time.monotonic()
        if now - self._last_look < _EVERY_S and not force:
            return
        self._last_look = now
        if not self._head_answers():
            if now - self._last_answer > _HEAD_SILENT_S:
                raise ClusterLost(f"Ray's head at {self._head[0]}:{self._head[1]} does not answer any more")
            return
        self._last_answer = now
        if any(node["NodeID"] == self._node and not node["Alive"] for node in ray.nodes()):
            raise ClusterLost("the Ray node beside this process is dead")

    def _head_answers(self) -> bool:
        # A bare connection: any call to a dead head through Ray would block until Ray ends the process.
        try:
            with socket.create_connection(self._head, timeout=2.0):
                return True
        except OSError:
            return False
