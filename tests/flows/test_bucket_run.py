"""From one bucket to another on a real S3 server: first all, then only what is new, changed or asked for besides."""

import hashlib
import os
import re
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bucket_photos import bucket_photos, portrait_bytes
from commands import Oodinv
from processes import session, wait_for
from s3_servers import S3Server, give_credentials, seaweed_server

from oodinv.ledger import fsck, list_commits, run_differences
from oodinv.ledger.layout import list_products
from oodinv.ledger.snapshot import latest_snapshot, read_snapshot
from oodinv.store import Access, Store, open_store

TIMEOUT_S = 1500
pytestmark = pytest.mark.timeout(TIMEOUT_S)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    portraits: int
    corrupt: int
    nobody: int
    several: int
    added: int
    changed: int
    deleted: int
    shard_size: int

    @property
    def photos(self) -> int:
        return self.portraits + self.corrupt + self.nobody + self.several


SMALL = Size(portraits=10, corrupt=3, nobody=2, several=1, added=4, changed=2, deleted=1, shard_size=4)
LARGE = Size(portraits=280, corrupt=10, nobody=5, several=5, added=20, changed=3, deleted=2, shard_size=16)


@dataclass(frozen=True)
class World:
    """A server with both buckets, and the command with its credentials."""

    server: S3Server
    oodinv: Oodinv
    bundle: str
    size: Size

    def store(self, name: str = "faces") -> Store:
        return open_store(f"s3://datasets/{name}", Access(endpoint_url=self.server.endpoint_url))

    def arguments(self, *edits: str, name: str = "faces") -> list[str]:
        words = ["augment", "--source", "s3://photos/in", "--target", f"s3://datasets/{name}", "--bundle", self.bundle]
        words += ["--endpoint-url", self.server.endpoint_url, "--shard-size", str(self.size.shard_size)]
        words += ["--max-failed-share", "0.5", "--workers", "2", "--require-fencing"]
        return words + [word for edit in edits for word in ("--edit", edit)]

    def start(self, *edits: str, name: str = "faces") -> "subprocess.Popen[str]":
        environment = self.oodinv.environment | self.server.environment()
        return subprocess.Popen(
            self.oodinv.command(*self.arguments(*edits, name=name)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *edits: str, name: str = "faces") -> tuple[str, str]:
        """To the end; the output and the report."""
        process = self.start(*edits, name=name)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, err
        (key,) = re.findall(rf"^report +s3://datasets/{name}/(\S+)", out, re.M)
        return out + err, self.store(name).get(key).decode()

    def put(self, key: str, data: bytes) -> None:
        self.server.client().put_object(Bucket="photos", Key=f"in/{key}", Body=data)

    def commits(self, name: str = "faces") -> dict[str, str]:
        """Key of every commit → hash of its bytes."""
        store = self.store(name)
        found = [commit.key for product in list_products(store) for commit in list_commits(store, product)]
        return {key: hashlib.sha256(store.get(key)).hexdigest() for key in found}

    def rows(self, name: str = "faces") -> list[dict[str, Any]]:
        return read_snapshot(self.store(name)).to_pylist()


@pytest.fixture(
    scope="module",
    params=[pytest.param("small", id="small"), pytest.param("large", id="large", marks=pytest.mark.slow)],
)
def world(request, tmp_path_factory, tiny_bundle, oodinv):
    size, bundle = (SMALL, str(tiny_bundle)) if request.param == "small" else (LARGE, "embedded")
    folder = tmp_path_factory.mktemp("bucket")
    with pytest.MonkeyPatch.context() as patch, seaweed_server(folder / "weed") as server:
        give_credentials(patch, server)
        server.bucket("photos")
        server.bucket("datasets")
        world = World(server, oodinv, bundle, size)
        for photo in bucket_photos(size.portraits, size.corrupt, size.nobody, size.several):
            world.put(photo.key, photo.data)
        yield world


def statuses(rows: list[dict[str, Any]], product: str) -> Counter[str]:
    """Samples by status; ok if any face is."""
    by_key: dict[str, set[str]] = {}
    for row in rows:
        if row["product"] == product:
            by_key.setdefault(row["src_key"], set()).add(row["status"])
    return Counter("ok" if "ok" in found else found.pop() for found in by_key.values())


def product_named(rows: list[dict[str, Any]], slug: str) -> str:
    (name,) = {row["product"] for row in rows if row["product"].startswith(slug)}
    return name


def check_objects(world: World) -> int:
    """Read every written photo past our own code; how many there are."""
    client, checked = world.server.client(), set()
    for row in world.rows():
        if row["status"] != "ok" or row["out_key"] is None or row["out_key"] in checked:
            continue
        data = client.get_object(Bucket="datasets", Key=f"faces/{row['out_key']}")["Body"].read()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["out_bytes"], row["out_sha256"])
        checked.add(row["out_key"])
    return len(checked)


def check_books(world: World, name: str = "faces") -> None:
    report = fsck(world.store(name), deep=True)
    assert report.clean and report.deep, report.problems


# One dataset's life; the tests of this module run in this order, each on what the one before left.


def test_all_photos_are_done_and_counted(world):
    size = world.size
    output, report = world.run("smile=+1.5")
    rows = world.rows()
    for product in ("faces", "smile"):
        found = statuses(rows, product_named(rows, product))
        assert found == {"ok": size.portraits + size.several, "failed": size.corrupt, "skipped": size.nobody}
    assert check_objects(world) == size.portraits + size.several
    check_books(world)
    assert f"{size.photos} photos = {size.portraits + size.several} ok, {size.nobody} skipped, {size.corrupt}" in output
    assert f"{size.photos} photos in " in report and "were skipped because" not in report
    assert re.search(r"requests: \d+ read, \d+ write", report)


def test_then_only_what_is_new_or_changed_is_computed(world):
    size, before = world.size, world.commits()
    for number in range(size.added):
        world.put(f"new/{number}.jpg", portrait_bytes(1000 + number))
    for number in range(size.changed):
        world.put(f"people/{number}/face {number:04d} ü.jpg", portrait_bytes(2000 + number))
    for number in range(size.deleted):
        key = f"in/people/{number + 3}/face {number + 3:04d} ü.jpg"
        world.server.client().delete_object(Bucket="photos", Key=key)
    _, report = world.run("smile=+1.5")
    after = world.commits()
    assert {key: after[key] for key in before} == before
    shards = -(-(size.added + size.changed) // size.shard_size)
    assert len(after) - len(before) == 2 * shards
    assert f"{size.added + size.changed} photos in " in report
    rows = world.rows()
    smile = statuses(rows, product_named(rows, "smile"))
    assert smile["ok"] == size.portraits + size.several + size.added  # what was deleted keeps its result
    check_books(world)


def test_then_one_more_edit_computes_only_itself(world):
    before = world.commits()
    _, report = world.run("smile=+1.5", "age=+1")
    after = world.commits()
    assert {key: after[key] for key in before} == before
    fresh = {key.split("/")[1] for key in after.keys() - before.keys()}
    assert len(fresh) == 1 and fresh.pop().startswith("age_p1.00-")
    assert "detect" not in report and "| edit |" in report  # no face was looked for again
    rows = world.rows()
    age = statuses(rows, product_named(rows, "age"))
    # Photos that are gone cannot get another edit: their rows say so.
    assert age["failed"] == world.size.corrupt + world.size.deleted
    assert (
        check_objects(world) == 2 * (world.size.portraits + world.size.several + world.size.added) - world.size.deleted
    )
    check_books(world)


def test_then_nothing_is_left_to_do(world):
    before, number = world.commits(), latest_snapshot(world.store()).number
    output, report = world.run("smile=+1.5", "age=+1")
    assert "no shard to do" in output and "were skipped because they were done" in report
    assert world.commits() == before and latest_snapshot(world.store()).number == number


@pytest.mark.slow
def test_a_run_killed_in_the_middle_is_finished_by_the_next_and_equals_an_undisturbed_one(world):
    world.run("smile=+1.5", name="undisturbed")
    process = world.start("smile=+1.5", name="killed")
    enough = max(2, world.size.photos // world.size.shard_size // 2)
    wait_for(lambda: len(world.commits("killed")) >= enough, seconds=TIMEOUT_S, every=0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not session(process.pid), seconds=60)
    before = world.commits("killed")
    total = len(world.commits("undisturbed"))
    assert enough <= len(before) < total and latest_snapshot(world.store("killed")) is None
    world.run("smile=+1.5", name="killed")
    after = world.commits("killed")
    assert {key: after[key] for key in before} == before and len(after) == total
    check_books(world, "killed")
    undisturbed, killed = (read_snapshot(world.store(name)) for name in ("undisturbed", "killed"))
    assert undisturbed.num_rows and run_differences(undisturbed, killed) == []


def test_no_secret_is_written_anywhere(world):
    """The server's secret key is the canary."""
    secret = world.server.secret_key.encode()
    client = world.server.client()
    searched = 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="datasets"):
        for found in page.get("Contents", []):
            assert secret not in client.get_object(Bucket="datasets", Key=found["Key"])["Body"].read(), found["Key"]
            searched += 1
    for path in Path(world.oodinv.prefect_home).rglob("*"):  # the orchestrator's database and logs
        if path.is_file():
            assert secret not in path.read_bytes(), path
            searched += 1
    assert searched > 20
