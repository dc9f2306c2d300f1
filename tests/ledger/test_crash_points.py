"""Killed between any two store calls, a run resumes to the same dataset."""

import os

import pytest
from faulty_store import FaultyStore, Killed
from memory_store import MemoryStore, crash_points
from tiny_run import FACES, PRODUCTS, SMILE, tiny_run, write_photos

from oodinv.ledger import dataset_status, fsck, list_commits, read_snapshot, run_differences
from oodinv.ledger.retry import RetryRequest, ask_for_retry, open_repairs
from oodinv.store import FolderStore, PhotoFolder, Store

PHOTOS = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>", "d.jpg": "1 faces"}  # two shards of two


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return PhotoFolder(root=write_photos(tmp_path_factory.mktemp("source"), PHOTOS))


@pytest.fixture(scope="module")
def undisturbed(source):
    target = MemoryStore()
    calls = FaultyStore(target)
    tiny_run(source, calls)
    return calls


def commit_bytes(target):
    return {found.key: target.get(found.key) for product in PRODUCTS for found in list_commits(target, product.name)}


def test_the_store_in_memory_speaks_the_protocol():
    assert isinstance(MemoryStore(), Store) and isinstance(FaultyStore(MemoryStore()), Store)


def test_killed_at_any_call_the_run_resumes_to_the_same_rows(source, undisturbed):
    expected = read_snapshot(undisturbed.inner)
    points = 0
    for name, target in crash_points(lambda store: tiny_run(source, store)):
        published = commit_bytes(target)
        resumed = FaultyStore(target)
        snapshot = tiny_run(source, resumed)
        assert run_differences(read_snapshot(target), expected) == [], name
        report = fsck(target)
        assert report.clean, (name, report.problems)
        assert published.items() <= commit_bytes(target).items(), name
        writes = [key for method, key in resumed.calls if method in ("put", "create")]
        assert not set(writes) & set(published), name  # nothing finished is written again
        assert snapshot.samples[SMILE.name] == {"ok": 2, "skipped": 1, "failed": 1, "quarantined": 0}, name
        points += 1
    # Nothing, inventory, two specifications, four parts and commits, two images, two files, snapshot, latest.
    assert points == 1 + 1 + 2 + 4 + 4 + 2 + 2 + 1 + 1


def test_killed_at_any_call_of_a_retry_the_next_run_ends_it(tmp_path):
    """From the demand to the repaired snapshot; one photo can be read the second time."""
    folder = write_photos(tmp_path / "photos", PHOTOS | {"c.jpg": "broken!"})
    flaky = PhotoFolder(root=folder)
    before = MemoryStore()
    tiny_run(flaky, before)
    times = (folder / "c.jpg").stat().st_mtime_ns
    (folder / "c.jpg").write_text("1 faces")  # of the same size and time: the same version, read better
    os.utime(folder / "c.jpg", ns=(times, times))

    def retry(store):
        ask_for_retry(store, RetryRequest())
        return tiny_run(flaky, store)

    undisturbed = MemoryStore(objects=dict(before.objects))
    retry(undisturbed)
    expected, points = read_snapshot(undisturbed), 0
    for name, target in crash_points(retry, before.objects):
        if not any(key.startswith("retries/") for key in target.objects):
            ask_for_retry(target, RetryRequest())
        tiny_run(flaky, target)
        assert run_differences(read_snapshot(target), expected) == [], name
        report = fsck(target, deep=True)
        assert report.clean, (name, report.problems)
        assert open_repairs(target, [FACES.name, SMILE.name]) == {}, name
        points += 1
    # Nothing, the demand, a part and a commit of two products, a picture, two files, snapshot, latest.
    assert points == 1 + 1 + 2 + 2 + 1 + 2 + 1 + 1


def test_truly_killed_on_a_folder_it_resumes_as_well(source, undisturbed, tmp_path):
    kills = len(undisturbed.calls)
    target = FolderStore(root=tmp_path / "target")
    for kill_at in (kills // 4, kills // 3):  # the second time in what the first left
        with pytest.raises(Killed):
            tiny_run(source, FaultyStore(target, kill_at=kill_at, when="after"))
    tiny_run(source, target)
    assert run_differences(read_snapshot(target), read_snapshot(undisturbed.inner)) == []
    assert fsck(target, deep=True).clean


def test_a_lost_answer_at_any_create_changes_nothing(source, undisturbed):
    creates = [number for number, (method, _) in enumerate(undisturbed.calls, start=1) if method == "create"]
    assert len(creates) == 1 + 2 + 4 + 1  # inventory, specifications, commits, snapshot
    for number in creates:
        target = MemoryStore()
        tiny_run(source, FaultyStore(target, lose_answer_at=number, when="after"))
        assert run_differences(read_snapshot(target), read_snapshot(undisturbed.inner)) == []
        assert len(target.objects) == len(undisturbed.inner.objects)  # no second attempt was needed


def test_running_again_computes_and_publishes_nothing(source):
    target = MemoryStore()
    tiny_run(source, target)
    before = dict(target.objects)
    again = FaultyStore(target)
    tiny_run(source, again)
    assert target.objects == before
    assert [key for method, key in again.calls if method == "put"] == []
    assert len(again.calls) < 20


def test_a_slow_rival_that_finishes_late_changes_nothing(source):
    """It planned and computed, then slept while another run did everything; its writes come last."""
    target = MemoryStore()

    class Sleepy(FaultyStore):
        def create(self, key, data):
            if "/commits/" in key and not list_commits(target, FACES.name):
                tiny_run(source, target)
            return super().create(key, data)

    tiny_run(source, Sleepy(target))
    report = fsck(target, deep=True)
    # Every attempt of the rival lost: a part for each of two shards of two products, and two images.
    assert report.clean and report.num_orphans == 4 + 2
    faces, smile = dataset_status(target, [FACES.name, SMILE.name]).products
    assert (faces.pending, smile.pending, smile.ok) == (0, 0, 2)
