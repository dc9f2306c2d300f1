"""What a run asks the Prefect server for depends on its waves, not on its photos."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prefect_server import REPOSITORY

SUPPORT = Path(__file__).parents[1] / "support"
WAVES = 2


def counted(server, folder: Path, photos: int) -> dict:
    """A run of two waves of five shards over so many photos."""
    source = folder / f"photos-{photos}"
    for number in range(photos):
        (source / f"{number % 100:02d}").mkdir(parents=True, exist_ok=True)
        (source / f"{number % 100:02d}" / f"{number}.jpg").write_text("no faces")
    words = [source, folder / f"out-{photos}", -(-photos // (5 * WAVES)), 5]
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "count_requests.py"), *map(str, words)],
        cwd=REPOSITORY,
        env=server.environment | {"PYTHONPATH": f"{SUPPORT}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["photos"] == photos
    return found


def without_time(found: dict) -> dict:
    """Requests that do not go by the clock: logs are sent in batches every two seconds, progress at most every five,
    and heartbeats every three minutes."""
    clocked = ("POST /api/logs/", "PATCH /api/artifacts/<id>", "GET /api/health", "GET /api/csrf-token")
    return {name: count for name, count in found["http"].items() if name not in clocked}


@pytest.mark.parametrize(
    "sizes",
    [pytest.param((20, 200), id="small"), pytest.param((100, 1_000, 10_000), marks=pytest.mark.slow, id="large")],
)
def test_requests_and_events_of_a_wave_do_not_grow_with_its_photos(orchestrator, tmp_path, sizes):
    runs = [counted(orchestrator, tmp_path, size) for size in sizes]
    for run in runs:
        print(run["photos"], f"{run['seconds']:.1f} s", sum(run["http"].values()), run["http"], run["events"])
    for run in runs[1:]:
        assert without_time(run) == without_time(runs[0])
        assert run["events"] == runs[0]["events"]
        # By the clock: at most one batch of logs every two seconds, one progress every five.
        assert run["http"].get("POST /api/logs/", 0) <= 4 + run["seconds"] / 2
        assert run["http"].get("PATCH /api/artifacts/<id>", 0) <= 2 + run["seconds"] / 5
    assert runs[0]["events"]["oodinv.wave.committed"] == WAVES
