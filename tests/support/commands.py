"""The `oodinv` command as its users run it: in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 240


def clean_environment(prefect_home: Path) -> dict[str, str]:
    """This process's environment without settings of other Prefect or Ray installations."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))}
    return kept | {"PREFECT_HOME": str(prefect_home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Oodinv:
    """Runs the command; `prefect_home` is where its orchestrator keeps its database.

    With `api` in a server that is there already; else every run starts one of its own, which takes it seconds.
    """

    prefect_home: Path
    folder: Path
    api: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(self.prefect_home) | ({"PREFECT_API_URL": self.api} if self.api else {})

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *map(str, arguments)]

    def __call__(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run to the end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start as the leader of a session and process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
