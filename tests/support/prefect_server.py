"""A Prefect server, deployments and a worker as their users have them: processes of their own, on loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from commands import clean_environment
from processes import children, die_with_parent, wait_for
from s3_servers import free_ports

REPOSITORY = Path(__file__).parents[2]
_START_S = 120


@dataclass
class PrefectServer:
    """`environment` lets the command line and workers find it."""

    folder: Path
    port: int
    more: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        clean = clean_environment(self.folder / "prefect")
        quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        return (
            clean
            | quiet
            | {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_SERVER_UI_API_URL": f"{self.url}/api"}
            | dict(self.more)
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

        def healthy() -> bool:
            try:
                return httpx.get(f"{self.url}/api/health", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(healthy, seconds=_START_S, every=0.2)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """What this process asks Prefect for, flows that it calls included, is asked of this server."""
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: f"{self.url}/api"}):
            yield
            # What is still to send would otherwise wait for a server that is gone.
            APILogWorker.drain_all()
            EventsWorker.drain_all()

    def prefect(self, *arguments: str, **more: str) -> str:
        """The `prefect` command; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=REPOSITORY,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, source: str, target: str, cron: str | None = None) -> None:
        """The repository's own prefect.yaml, with another schedule for the nightly run."""
        config = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
        for deployment in config["deployments"]:
            deployment["schedules"] = []
            if deployment["name"] == "augment-nightly" and cron:
                deployment["schedules"] = [{"cron": cron, "timezone": "UTC", "active": True}]
        path = self.folder / "prefect.yaml"
        path.write_text(yaml.safe_dump(config))
        self.prefect("work-pool", "create", "oodinv", "--type", "process", "--overwrite")
        self.prefect("deploy", "--all", "--prefect-file", str(path), OODINV_SOURCE=source, OODINV_TARGET=target)
        subprocess.run([sys.executable, "-m", "flows.automations"], cwd=REPOSITORY, env=self.environment, check=True)

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A process worker of the pool."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "oodinv", "--name", "tests"]
        with open(self.folder / "worker.log", "ab") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                for pid in engines(process.pid):
                    os.kill(pid, signal.SIGKILL)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def post(self, path: str, **body: Any) -> Any:
        return httpx.post(f"{self.url}/api/{path}", json=body, timeout=30).raise_for_status().json()

    def run(self, deployment: str, **request: Any) -> str:
        """Start a deployment's run; its id."""
        found = httpx.get(f"{self.url}/api/deployments/name/{deployment}", timeout=30).raise_for_status().json()
        return self.post(f"deployments/{found['id']}/create_flow_run", parameters={"request": request})["id"]

    def flow_run(self, run_id: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}/api/flow_runs/{run_id}", timeout=30).raise_for_status().json()

    def flow_runs(self) -> list[dict[str, Any]]:
        """All that have begun, the oldest first."""
        found = self.post("flow_runs/filter", sort="START_TIME_ASC", limit=100)
        return [run for run in found if run["start_time"]]

    def state_of(self, run_id: str) -> str:
        return self.flow_run(run_id)["state_type"]

    def wait_for_state(self, run_id: str, *states: str, seconds: float = 240) -> str:
        """Until it has one of the states; which."""

        def look() -> str | None:
            state = self.state_of(run_id)
            return state if state in states else None

        found = wait_for(look, seconds=seconds, every=0.5)
        assert found is not None
        return found

    def artifacts(self, run_id: str) -> dict[str, list[dict[str, Any]]]:
        """By key; Prefect's own, which say where results would lie, have none."""
        found: dict[str, list[dict[str, Any]]] = {}
        for artifact in self.post("artifacts/filter", artifacts={"flow_run_id": {"any_": [run_id]}}, limit=200):
            if artifact["key"]:
                found.setdefault(artifact["key"], []).append(artifact)
        return found

    def logs(self, run_id: str) -> list[dict[str, Any]]:
        return self.post("logs/filter", logs={"flow_run_id": {"any_": [run_id]}}, limit=200)

    def events(self, prefix: str) -> list[dict[str, Any]]:
        return self.post("events/filter", filter={"event": {"prefix": [prefix]}}, limit=50)["events"]


def engines(worker: int) -> list[int]:
    """Flow processes that a worker started, which have sessions of their own."""
    return [pid for pid, title in children(worker).items() if "prefect.engine" in title]


@contextmanager
def prefect_server(folder: Path, **more: str) -> Iterator[PrefectServer]:
    """Started; gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    server = PrefectServer(folder=folder, port=free_ports(1)[0], more=more)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


def soon(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What the server tells a little later: logs and events are sent in the background."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return found
