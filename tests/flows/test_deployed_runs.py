"""Deployments on a real Prefect server with a real worker: they fire, show what happened, and survive."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from bucket_photos import bucket_photos
from prefect_server import REPOSITORY, PrefectServer, engines, prefect_server, soon
from processes import kill_child, wait_for

from oodinv.ledger import fsck, list_commits, run_differences
from oodinv.ledger.layout import list_products
from oodinv.ledger.snapshot import latest_snapshot, read_snapshot
from oodinv.store import open_store


def write(folder: Path, *counts: int) -> Path:
    for photo in bucket_photos(*counts):
        path = folder / photo.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.data)
    return folder


def commits(target: Path) -> list[str]:
    store = open_store(str(target))
    return [commit.key for product in list_products(store) for commit in list_commits(store, product)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def nightly(server, tmp_path_factory) -> tuple[PrefectServer, dict, Path]:
    """A run that the schedule started, after its end."""
    folder = tmp_path_factory.mktemp("nightly")
    source, target = write(folder / "photos", 4, 1, 1, 0), folder / "out"
    server.deploy(str(source), str(target), cron="* * * * *")
    with server.worker():
        run = wait_for(lambda: [r for r in server.flow_runs() if r["end_time"]], seconds=240, every=0.5)[0]
    server.prefect("deployment", "schedule", "clear", "augment/augment-nightly", "--accept-yes")
    return server, run, target


def test_the_schedule_starts_a_run_by_itself_and_it_finishes(nightly):
    _, run, target = nightly
    assert run["auto_scheduled"] and run["name"] == f"augment {target}"
    # One of six photos is ruined, which is more than the 5 % that a run may lose: it says so, and is done all the same.
    assert run["state_type"] == "FAILED" and "16.7% of the photos failed" in run["state"]["message"]
    assert latest_snapshot(open_store(str(target))).number == 1
    assert fsck(open_store(str(target))).clean


def test_its_page_shows_waves_tables_and_a_report(nightly):
    server, run, _ = nightly
    artifacts = server.artifacts(run["id"])
    assert artifacts.keys() == {"oodinv-progress", "oodinv-wave", "oodinv-wave-stages", "oodinv-run-report"}
    assert [artifact["data"] for artifact in artifacts["oodinv-progress"]] == [100.0]
    assert '"ok": 4' in artifacts["oodinv-wave"][0]["data"] and '"p95 ms"' in artifacts["oodinv-wave-stages"][0]["data"]
    report = artifacts["oodinv-run-report"][0]["data"]
    assert "](data:image/jpeg;base64," in report and "gallery.html" in report and "`truncated`" in report
    tasks = server.post("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    assert sorted(re.sub(r"-\w+$", "", task["name"]) for task in tasks if "wave" not in task["name"]) == [
        "plan", "publish-snapshot", "reconcile", "write-report",
    ]  # fmt: skip
    assert [task["name"] for task in tasks if "wave" in task["name"]] == ["wave 1 of 1"]


def test_what_went_wrong_in_an_actor_stands_in_the_runs_log(nightly):
    server, run, _ = nightly
    told = soon(lambda: [log["message"] for log in server.logs(run["id"]) if "ruined/0.jpg" in log["message"]])
    assert told and "truncated" in told[0]


def test_events_tell_others(nightly):
    server, _, target = nightly
    (wave,) = soon(lambda: server.events("oodinv.wave.committed"))
    (finished,) = soon(lambda: server.events("oodinv.run.finished"))
    assert wave["resource"]["prefect.resource.name"] == str(target) and wave["payload"]["photos"] == 6
    assert finished["payload"]["snapshot"] == 1


def test_the_form_explains_every_field(nightly):
    server, *_ = nightly
    for name in ("augment/augment-on-demand", "maintain/maintain-weekly"):
        found = server.prefect("deployment", "inspect", name, "--output", "json")
        schema = yaml.safe_load(found)["parameter_openapi_schema"]
        fields = {
            field: about
            for definition in schema["definitions"].values()
            for field, about in definition["properties"].items()
        }
        assert len(fields) > 4 and all(about.get("description") for about in fields.values()), fields


def test_what_is_deployed_runs_one_at_a_time_and_holds_no_secret():
    config = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    assert [d["name"] for d in config["deployments"]] == ["augment-nightly", "augment-on-demand", "maintain-weekly"]
    assert all(deployment["concurrency_limit"]["limit"] == 1 for deployment in config["deployments"])
    assert not re.search(r"secret|password|token|access_key", str(config), re.I)


# What follows kills things.


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("many") / "photos", 36, 2, 1, 1)


@pytest.fixture(scope="module")
def undisturbed(nightly, many, tmp_path_factory):
    """The rows of a run that nothing happened to."""
    server, *_ = nightly
    target = tmp_path_factory.mktemp("undisturbed") / "out"
    with server.worker():
        run = server.run("augment/augment-on-demand", **request(many, target))
        assert server.wait_for_state(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    return read_snapshot(open_store(str(target)))


def request(source: Path, target: Path) -> dict:
    return {
        "source": str(source), "target": str(target), "edits": ["smile=+1.5"], "shard_size": 4, "wave_shards": 3,
        "workers": 1, "max_failed_share": 0.5,
    }  # fmt: skip


def check(target: Path, undisturbed) -> None:
    store = open_store(str(target))
    assert fsck(store, deep=True).clean
    assert run_differences(undisturbed, read_snapshot(store)) == []


@pytest.mark.slow
def test_a_killed_flow_process_is_seen_and_its_run_is_resumed(nightly, many, undisturbed, tmp_path):
    server, target = nightly[0], tmp_path / "out"
    with server.worker() as worker:
        run = server.run("augment/augment-on-demand", **request(many, target))
        wait_for(lambda: len(commits(target)) >= 6, seconds=240, every=0.2)
        (engine,) = engines(worker.pid)
        os.kill(engine, signal.SIGKILL)
        assert server.wait_for_state(run, "CRASHED") == "CRASHED"
        before = set(commits(target))

        def resumed() -> list[dict]:
            return [
                r for r in server.flow_runs()
                if r["name"] == f"augment {target}" and r["state_type"] == "COMPLETED" and r["id"] != run
            ]  # fmt: skip

        (again, *_) = wait_for(resumed, seconds=240, every=0.5)
    assert again["created_by"]["type"] == "AUTOMATION"
    assert again["parameters"] == server.flow_run(run)["parameters"]
    assert before < set(commits(target))
    check(target, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)  # each question to a server that is away is asked for a minute
def test_a_killed_server_does_not_stop_a_run(nightly, many, undisturbed, tmp_path):
    server, target = nightly[0], tmp_path / "out"
    with server.worker():
        run = server.run("augment/augment-on-demand", **request(many, target))
        wait_for(lambda: len(commits(target)) >= 6, seconds=240, every=0.2)
        server.kill()
        wait_for(lambda: len(commits(target)) >= 20, seconds=240, every=0.2)  # all of them: ten shards, two products
        server.start()
        assert server.wait_for_state(run, "COMPLETED", "CRASHED", "FAILED") == "COMPLETED"
    check(target, undisturbed)


@pytest.mark.slow
def test_a_cancelled_run_stops_and_leaves_the_books_clean(nightly, many, undisturbed, tmp_path):
    server, target = nightly[0], tmp_path / "out"
    with server.worker() as worker:
        run = server.run("augment/augment-on-demand", **request(many, target))
        wait_for(lambda: len(commits(target)) >= 4, seconds=240, every=0.2)
        server.prefect("flow-run", "cancel", run)
        assert server.wait_for_state(run, "CANCELLED", "CRASHED", "COMPLETED", seconds=120) == "CANCELLED"
        wait_for(lambda: not engines(worker.pid), seconds=60)
        left = commits(target)
        assert 4 <= len(left) < 20 and fsck(open_store(str(target)), deep=True).clean
        again = server.run("augment/augment-on-demand", **request(many, target))
        assert server.wait_for_state(again, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    assert set(left) < set(commits(target))
    check(target, undisturbed)


@pytest.mark.slow
def test_a_run_whose_process_left_it_running_is_marked_by_the_next(nightly, many, undisturbed, oodinv, tmp_path):
    server, target = nightly[0], tmp_path / "out"
    words = ["augment", "--source", many, "--target", target, "--edit", "smile=+1.5", "--shard-size", "4"]
    words += ["--workers", "1", "--max-failed-share", "0.5"]
    process = subprocess.Popen(
        oodinv.command(*words), env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: len(commits(target)) >= 4, seconds=240, every=0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (stale,) = [run for run in server.flow_runs() if run["name"] == f"augment {target}"]
    assert server.state_of(stale["id"]) == "RUNNING"  # for ever, if nobody looked
    done = subprocess.run(oodinv.command(*words), env=server.environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert server.state_of(stale["id"]) == "CRASHED"
    assert "is gone; found by run" in server.flow_run(stale["id"])["state"]["message"]
    check(target, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["raylet", "gcs_server"])
def test_a_killed_ray_process_costs_only_time(nightly, many, undisturbed, tmp_path, victim):
    server, target = nightly[0], tmp_path / "out"
    with server.worker() as worker:
        run = server.run("augment/augment-on-demand", **request(many, target))
        wait_for(lambda: len(commits(target)) >= 6, seconds=240, every=0.2)
        (engine,) = engines(worker.pid)
        kill_child(engine, victim)
        assert server.wait_for_state(run, "COMPLETED", "FAILED", "CRASHED") == "COMPLETED"
    # Noticed after seconds, in which actors go on; how the pool takes it is told in tests/cluster.
    check(target, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_falls_silent_is_marked_and_resumed(many, undisturbed, tmp_path):
    """Worker and flow process die at once, as with their machine: only the heartbeat tells."""
    target = tmp_path / "out"
    with prefect_server(tmp_path / "server", PREFECT_FLOWS_HEARTBEAT_FREQUENCY="30") as server:
        server.deploy(str(many), str(target))
        with server.worker() as worker:
            run = server.run("augment/augment-on-demand", **request(many, target))
            wait_for(lambda: len(commits(target)) >= 4, seconds=240, every=0.2)
            (engine,) = engines(worker.pid)
            os.killpg(worker.pid, signal.SIGKILL)
            os.kill(engine, signal.SIGKILL)
        assert server.state_of(run) == "RUNNING"
        assert server.wait_for_state(run, "CRASHED", seconds=240) == "CRASHED"
        assert "no heartbeat" in server.flow_run(run)["state"]["message"]
        with server.worker():

            def resumed() -> list[dict]:
                return [r for r in server.flow_runs() if r["id"] != run and r["state_type"] == "COMPLETED"]

            wait_for(resumed, seconds=240, every=0.5)
    check(target, undisturbed)
