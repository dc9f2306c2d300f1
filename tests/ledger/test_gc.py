"""Garbage is deleted, and nothing else ever is."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from faulty_store import FaultyStore, Killed
from memory_store import TODAY, MemoryStore, TimedStore, crash_points
from s3_servers import give_credentials, moto_server
from tiny_run import FACES, PRODUCTS, SMILE, do_faces, face_rows, finished_run, tiny_run

from oodinv.ledger import (
    LedgerError,
    canonical_json,
    fsck,
    list_commits,
    load_inventory,
    new_attempt,
    plan_inventory,
    publish,
    publish_snapshot,
    read,
    read_commit,
    register_product,
    run_differences,
    write_object,
    write_part,
)
from oodinv.ledger.committed import committed_products
from oodinv.ledger.findings import MAX_SHOWN
from oodinv.ledger.garbage import MAX_FAILED_DELETIONS
from oodinv.ledger.gc import MIN_GRACE_S, collect_garbage
from oodinv.ledger.layout import data_prefix, shard_prefix
from oodinv.store import Access, FolderStore, ObjectInfo, PhotoFolder, Store, StoreError, open_store

PHOTOS = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>", "d.jpg": "1 faces"}  # two shards of two
SHARD = "1-000000"
DAY_S = 24 * 3600.0
TOMORROW = TODAY + 2 * DAY_S


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A source and what a run made of it; tests work on copies."""
    return finished_run(tmp_path_factory.mktemp("source") / "photos", PHOTOS)


@pytest.fixture
def source(finished):
    return finished[0]


@pytest.fixture
def target(finished):
    return TimedStore(objects=dict(finished[1].objects))


def lose(source, target, product=FACES, shard_id=SHARD):
    """A whole attempt at a shard that is committed already; its keys."""
    before = set(target.objects)
    assert do_faces(source, target, load_inventory(target).shard(shard_id), product) == "lost"
    return sorted(set(target.objects) - before)


def litter(source, target):
    """One of every kind of garbage, as killed processes leave it; sorted keys."""
    place = {"product": SMILE.name, "shard_id": SHARD}
    killed = write_object(target, **place, attempt=new_attempt(), name="x.png", data=b"half an attempt")
    winner = read_commit(target, list_commits(target, SMILE.name)[0]).attempt
    extra = write_object(target, **place, attempt=winner, name="extra.png", data=b"written, not committed")
    keys = [killed.key, extra.key, f"snapshots/data/{new_attempt()}/{SMILE.name}-00000.parquet"]
    keys.append(f"runs/probe-{new_attempt()}")
    for key in keys[2:]:
        target.put(key, b"left")
    return sorted([*keys, *lose(source, target)])


def collect(target, *, now=TOMORROW, delete=True, grace_s=DAY_S):
    return collect_garbage(target, grace_s=grace_s, now=now, delete=delete)


def is_whole(target):
    report = fsck(target, deep=True)
    return report.clean and report.num_orphans == 0


def test_a_finished_dataset_holds_no_garbage(target):
    report = collect(target)
    assert report.candidates == () == report.errors == report.foreign
    assert (report.num_candidates, report.num_young, report.num_deleted) == (0, 0, 0)


def test_every_kind_of_garbage_is_deleted_and_nothing_else(source, target):
    kept, rows = dict(target.objects), read(target).to_table()
    target.put("runs/3f/report.md", b"# Run report")
    target.put("runs/probe-of-mine/report.md", b"a run that somebody named so")
    kept |= {key: target.get(key) for key in ("runs/3f/report.md", "runs/probe-of-mine/report.md")}
    keys = litter(source, target)
    size = sum(target.head(key).size for key in keys)
    report = collect(target)
    assert sorted(report.candidates) == keys
    assert (report.num_candidates, report.candidate_bytes) == (len(keys), size)
    assert (report.num_deleted, report.deleted_bytes, report.errors) == (len(keys), size, ())
    assert target.objects == kept
    assert is_whole(target) and read(target).to_table().equals(rows)


def test_a_dry_run_finds_the_same_and_changes_nothing(source, tmp_path):
    target = FolderStore(root=tmp_path / "target")
    tiny_run(source, target)
    keys = litter(source, Keys(target))
    (target.root / ".tmp" / new_attempt()).write_bytes(b"half")

    def tree():
        return {
            path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in target.root.rglob("*")
        }

    before = tree()
    dry = collect_garbage(target, now=TOMORROW * 4)
    assert tree() == before
    assert not dry.delete and dry.num_deleted == 0 and dry.num_candidates == len(keys) + 1
    real = collect_garbage(target, now=TOMORROW * 4, delete=True)
    assert real.candidates == dry.candidates and real.num_deleted == dry.num_candidates
    assert {path for path in before if path not in tree()} == {target.root / key for key in real.candidates}
    assert is_whole(target)


class Keys:
    """A folder's objects as a mapping, for helpers that compare what is there."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    @property
    def objects(self):
        return {info.key: self._store.get(info.key) for info in self._store.list()}


def test_only_reads_and_deletes_are_sent_and_a_dry_run_only_reads(source, target):
    keys = litter(source, target)
    spy = FaultyStore(target)
    collect(spy, delete=False)
    assert {method for method, _ in spy.calls} <= {"list", "folders", "get", "head"}
    spy.calls.clear()
    collect(spy)
    assert {method for method, _ in spy.calls} <= {"list", "folders", "get", "head", "delete"}
    assert sorted(key for method, key in spy.calls if method == "delete") == keys


def test_after_a_crash_at_any_point_garbage_goes_and_the_run_resumes_to_the_same_rows(source):
    expected = MemoryStore()
    tiny_run(source, expected)
    points = 0
    for name, crashed in crash_points(lambda store: tiny_run(source, store)):
        target = TimedStore(objects=dict(crashed.objects))
        if not crashed.objects:
            with pytest.raises(LedgerError, match="this is not a dataset"):
                collect(target)
            continue
        report = collect(target)
        assert (report.num_young, report.foreign, report.errors) == (0, (), ()), name
        assert report.num_deleted == report.num_candidates, name
        tiny_run(source, target)
        assert run_differences(read(target).to_table(), read(expected).to_table()) == [], name
        checked = fsck(target)
        assert checked.clean and checked.num_orphans == 0, (name, checked)
        points += 1
    assert points == 17


def test_killed_at_any_of_its_own_calls_the_next_one_finishes(source, target):
    litter(source, target)
    kept = dict(target.objects)
    undisturbed = FaultyStore(TimedStore(objects=dict(kept)))
    garbage = collect(undisturbed).candidates
    live = {key: data for key, data in kept.items() if key not in garbage}
    for kill_at in range(1, len(undisturbed.calls) + 1):
        copy = TimedStore(objects=dict(kept))
        with pytest.raises(Killed):
            collect(FaultyStore(copy, kill_at=kill_at, when="before"))
        assert live.items() <= copy.objects.items()
        assert collect(copy).errors == ()
        assert copy.objects == live


# Beside a working pipeline.


def begin_attempt(source, target, shard_id="2-000000"):
    """A writer that has put everything but its commit: the commit."""
    attempt = new_attempt()
    shard = load_inventory(target).shard(shard_id)
    rows = face_rows(source, shard, attempt, FACES.name)
    image = write_object(
        target, product=FACES.name, shard_id=shard_id, attempt=attempt, name="x.png", data=b"an old object"
    )
    return write_part(target, product=FACES.name, shard=shard, attempt=attempt, rows=rows, objects=[image])


@pytest.fixture
def growing(source, target, tmp_path):
    """The dataset after one more photo was dealt, and its source."""
    more = PhotoFolder(root=shutil.copytree(source.root, tmp_path / "more"))
    (more.root / "e.jpg").write_text("1 faces")
    plan_inventory(more, target, 2)
    return more


def test_a_commit_written_between_listing_and_reading_protects_its_objects(growing, target):
    """However old its objects are: the grace does not save them here."""
    commit = begin_attempt(growing, target)

    class Overtaken(FaultyStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            for info in super().list(prefix):
                yield info
                if info.key == commit.objects[0].key:  # the listing has shown it, and goes on
                    assert publish(target, commit) == "done"

    report = collect(Overtaken(target))
    assert report.num_candidates == 0 and report.errors == ()
    assert is_whole(target)


def test_a_slow_writer_that_commits_after_the_look_is_protected_by_the_grace(growing, target):
    target.clock = TOMORROW - DAY_S + 1
    commit = begin_attempt(growing, target)
    report = collect(target)
    assert (report.num_candidates, report.num_young) == (0, 2)
    assert publish(target, commit) == "done"
    assert is_whole(target)


def test_an_attempt_is_as_young_as_its_newest_object(growing, target):
    commit = begin_attempt(growing, target)
    for key in (obj.key for obj in commit.objects):
        fresh = TimedStore(objects=target.objects, written=target.written | {key: TOMORROW - 60})
        report = collect(fresh)
        assert (report.num_candidates, report.num_young) == (0, 2)
    assert collect(target).num_candidates == 2


def test_the_boundary_of_the_grace(growing, target):
    begin_attempt(growing, target)
    assert collect(target, now=TODAY + DAY_S, delete=False).num_candidates == 0
    assert collect(target, now=TODAY + DAY_S + 1, delete=False).num_candidates == 2
    assert collect(target, now=TODAY + DAY_S + 1, delete=False, grace_s=2 * DAY_S).num_candidates == 0


def test_a_clock_that_runs_behind_deletes_nothing(source, target):
    litter(source, target)
    report = collect(target, now=TODAY - DAY_S)
    assert report.num_candidates == 0 and report.num_young > 0


def test_what_has_no_age_is_never_old_enough(source, finished):
    target = MemoryStore(objects=dict(finished[1].objects))
    keys = litter(source, target)
    report = collect(target)
    assert (report.num_candidates, report.num_young) == (0, len(keys))
    assert set(keys) <= set(target.objects)


def test_a_snapshot_published_between_listing_and_reading_keeps_its_files(growing, target):
    assert publish(target, begin_attempt(growing, target)) == "done"
    assert publish_snapshot(target, committed_products(target)).number == 2
    late = {key: target.objects.pop(key) for key in ("snapshots/2.json", "latest.json")}

    class Overtaken(FaultyStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            found = super().list(prefix)
            if prefix == "snapshots/data/":
                target.objects.update(late)
            return found

    assert collect(Overtaken(target)).num_candidates == 0
    assert is_whole(target)


def test_both_commits_of_a_repaired_shard_keep_their_objects(source, target):
    assert do_faces(source, target, load_inventory(target).shard(SHARD), generation=1) == "done"
    assert collect(target).num_candidates == 0
    assert is_whole(target)


def test_two_at_once_delete_everything_once(source, tmp_path):
    target = FolderStore(root=tmp_path / "target")
    tiny_run(source, target)
    keys = []
    for _ in range(20):
        keys += litter(source, Keys(target))
    start, reports, errors = threading.Barrier(3), [], []

    def work():
        try:
            start.wait()
            reports.append(collect_garbage(target, now=TOMORROW * 4, delete=True))
        except Exception as error:  # must reach the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and all(report.errors == () for report in reports)
    assert {key for report in reports for key in report.candidates} == set(keys)
    assert not any((target.root / key).exists() for key in keys)
    assert is_whole(target)


# Damaged books.


def commit_key(target, product=SMILE):
    return list_commits(target, product.name)[0].key


def break_commit(target):
    target.put(commit_key(target), b"{")


def change_commit(target):
    key = commit_key(target)
    target.put(key, canonical_json(json.loads(target.get(key)) | {"timers": {"edit": 1.0}}))


def remove_commit(target):
    target.delete(commit_key(target))


def newer_schema(target):
    key = commit_key(target)
    target.put(key, canonical_json(json.loads(target.get(key)) | {"schema_version": 2}))


def skip_a_generation(target):
    commit = read_commit(target, list_commits(target, SMILE.name)[0])
    fields = json.loads(target.get(commit.key)) | {"generation": 2}
    target.put(commit.key.replace(f"{SHARD}.0", f"{SHARD}.2"), canonical_json(fields))


def foreign_commit(target):
    target.put(f"products/{SMILE.name}/commits/notes.json", b"{}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_commit, "no readable commit"),
        (change_commit, "missing or was changed"),
        (remove_commit, "missing or was changed"),
        (newer_schema, "use the version that wrote it"),
        (skip_a_generation, "1-000000.1.json is missing although"),
        (foreign_commit, "notes.json is no commit"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_product_with_a_damaged_commit_is_left_alone_as_a_whole(source, target, damage, said):
    keys = litter(source, target)
    damage(target)
    before = set(target.objects)
    report = collect(target)
    assert report.num_errors == 1 and said in report.errors[0] and report.errors[0].startswith(SMILE.name)
    theirs = {key for key in keys if key.startswith(data_prefix(SMILE.name))}
    assert len(theirs) == 2 and before - set(target.objects) == set(keys) - theirs


def test_a_commit_damaged_in_the_meantime_stops_its_product(source, target):
    keys = litter(source, target)

    class Damaged(FaultyStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            if prefix == data_prefix(SMILE.name):
                break_commit(target)
            return super().list(prefix)

    report = collect(Damaged(target))
    assert report.num_errors == 1 and "no readable commit" in report.errors[0]
    assert {key for key in keys if key.startswith(data_prefix(SMILE.name))} <= set(target.objects)


def test_without_the_newest_snapshot_nothing_shows_which_commits_are_gone_so_no_product_is_touched(source, target):
    keys = litter(source, target)
    target.put("snapshots/1.json", b"{")
    report = collect(target)
    assert ["all products are left alone" in error for error in report.errors] == [True, False]
    assert "the snapshots' files are left alone" in report.errors[1]
    assert set(keys) - set(target.objects) == {key for key in keys if key.startswith("runs/")}


def test_files_of_a_lost_snapshot_wait_until_it_is_brought_back(growing, target):
    publish(target, begin_attempt(growing, target))
    publish_snapshot(target, committed_products(target))
    lost = {"snapshots/1.json": target.get("snapshots/1.json")}
    target.delete("snapshots/1.json")
    report = collect(target)
    assert report.num_errors == 1 and "snapshots/1.json is missing" in report.errors[0]
    target.objects.update(lost)
    assert is_whole(target)


def test_files_that_latest_json_names_stay_even_when_their_snapshot_is_gone(target):
    files = json.loads(target.get("latest.json"))["files"]
    target.delete("snapshots/1.json")
    assert collect(target).num_candidates == 0
    assert set(files) <= set(target.objects)
    target.put("latest.json", b"[]")
    assert "latest.json is not readable" in collect(target).errors[0]
    assert set(files) <= set(target.objects)


def test_before_the_first_commit_everything_old_is_garbage(source):
    target = TimedStore()
    for name, crashed in crash_points(lambda store: tiny_run(source, store)):
        if "part.parquet" in name:
            target = TimedStore(objects=dict(crashed.objects))
            break
    assert not any("/commits/" in key for key in target.objects)
    assert collect(target).num_deleted == 1
    assert fsck(target).num_orphans == 0


# What is not ours, and what is refused.


@pytest.mark.parametrize(
    "key",
    [
        f"products/{SMILE.name}/data/notes.txt",
        f"products/{SMILE.name}/data/00/{SHARD}/{'0' * 32}/x.png",  # the hash of another shard
        shard_prefix(SMILE.name, SHARD) + "notes.txt",
        shard_prefix(SMILE.name, SHARD) + "mine/x.png",
        shard_prefix(SMILE.name, SHARD) + "z" * 32 + "/x.png",
        f"{data_prefix(SMILE.name)}ab/elsewhere/{'0' * 32}/x.png",
        "snapshots/data/notes.parquet",
        "snapshots/data/mine/x.parquet",
    ],
)
def test_what_no_attempt_writes_is_named_and_kept(source, target, key):
    litter(source, target)
    target.put(key, b"somebody's")
    report = collect(target)
    assert report.foreign == (key,) and report.num_foreign == 1
    assert fsck(target).orphans == (key,)


def test_what_lies_elsewhere_is_not_even_looked_at(target):
    keys = ["notes.txt", "inventory/notes.txt", "runs/probe", "runs/probe-x", f"runs/x/probe-{'0' * 32}", "data/x"]
    keys += [f"products/{SMILE.name}/notes.txt", "snapshots/notes.txt", "products/notes.txt"]
    for key in keys:
        target.put(key, b"somebody's")
    report = collect(target)
    assert (report.num_candidates, report.num_foreign, report.num_errors) == (0, 0, 0)
    assert set(keys) <= set(target.objects)


@pytest.mark.parametrize("grace_s", [0.0, -DAY_S, MIN_GRACE_S - 1, float("nan")])
def test_a_grace_below_an_hour_is_refused(target, grace_s):
    with pytest.raises(LedgerError, match=r"too short.*at least 1 h; 24 h is the default"):
        collect_garbage(target, grace_s=grace_s, delete=True)


def test_what_is_no_dataset_is_refused_whatever_lies_there(tmp_path):
    folder = tmp_path / "products" / "p" / "data" / "00" / SHARD / ("0" * 32)
    folder.mkdir(parents=True)
    (folder / "x.png").write_bytes(b"mine")
    with pytest.raises(LedgerError, match="not a dataset"):
        collect_garbage(FolderStore(root=tmp_path), now=TOMORROW * 4, delete=True)
    assert (folder / "x.png").exists()


class NoRights(FaultyStore):
    def delete(self, key: str) -> None:
        self.calls.append(("delete", key))
        raise StoreError(f"deleting {key!r} failed: Permission denied")


def test_refused_deletions_are_reported_and_not_fatal(source, target):
    keys = litter(source, target)
    before = dict(target.objects)
    report = collect(NoRights(target))
    assert (report.num_candidates, report.num_deleted, report.deleted_bytes) == (len(keys), 0, 0)
    assert report.num_errors == len(keys) and "Permission denied" in report.errors[0]
    assert target.objects == before


def test_without_any_right_to_delete_it_stops_asking(target):
    for number in range(MAX_SHOWN + 10):
        target.put(f"runs/probe-{number:032x}", b"x")
    store = NoRights(target)
    report = collect(store)
    assert sum(method == "delete" for method, _ in store.calls) == MAX_FAILED_DELETIONS
    assert report.errors[-1] == f"{MAX_FAILED_DELETIONS} deletions failed, so no more were tried"
    assert report.num_candidates == MAX_SHOWN + 10 == report.candidate_bytes


def test_the_report_is_bounded(target):
    for number in range(MAX_SHOWN + 10):
        target.put(f"runs/probe-{number:032x}", b"x")
        target.put(f"products/{SMILE.name}/data/{number}", b"x")
    report = collect(target)
    assert len(report.candidates) == MAX_SHOWN and report.num_deleted == MAX_SHOWN + 10
    assert len(report.foreign) == MAX_SHOWN and report.num_foreign == MAX_SHOWN + 10


def test_one_shard_at_a_time_is_held(source, target):
    """The first garbage is deleted long before the listing is through."""
    for shard_id in load_inventory(target).shards():
        lose(source, target, shard_id=shard_id)
    events: list[tuple[str, str]] = []

    class Watched(FaultyStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            for info in super().list(prefix):
                events.append(("listed", info.key))
                yield info

        def delete(self, key: str) -> None:
            events.append(("deleted", key))
            super().delete(key)

    collect(Watched(target))
    data = [method for method, key in events if key.startswith(data_prefix(FACES.name))]
    assert data.count("deleted") == 2 and data.index("deleted") < len(data) - 1 - data[::-1].index("listed")


# Object stores.


def test_an_object_store_says_how_old_things_are(source, monkeypatch):
    with moto_server() as server:
        give_credentials(monkeypatch, server)
        target = open_store(f"{server.bucket('bucket')}/set", Access(endpoint_url=server.endpoint_url))
        tiny_run(source, target)
        keys = litter(source, Keys(target))
        young = collect_garbage(target, delete=True)
        assert (young.num_candidates, young.num_young) == (0, len(keys))
        old = collect_garbage(target, now=time.time() + 2 * DAY_S, delete=True)
        assert sorted(old.candidates) == keys and old.num_deleted == len(keys) and old.errors == ()
        assert is_whole(target)


# Folders.


def test_unfinished_files_of_a_folder_are_collected_by_age(source, tmp_path):
    target = FolderStore(root=tmp_path / "target")
    tiny_run(source, target)
    assert list(target.unfinished()) == []
    old, young, foreign = (target.root / ".tmp" / name for name in ("0" * 32, "1" * 32, "notes.txt"))
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (TODAY, TODAY))
    os.utime(young, (TOMORROW, TOMORROW))
    report = collect_garbage(target, now=TOMORROW, delete=True)
    assert report.candidates == (f".tmp/{'0' * 32}",) and report.candidate_bytes == 4
    assert report.num_young == 1 and not old.exists() and young.exists() and foreign.exists()
    assert is_whole(target)


def test_unfinished_files_are_never_reached_through_a_key(tmp_path):
    store = FolderStore(root=tmp_path)
    store.put("a", b"x")
    (tmp_path / ".tmp" / ("0" * 32)).write_bytes(b"half")
    assert [info.key for info in store.list()] == ["a"]
    for key in (".tmp/../a", ".tmp/..", "../a"):
        with pytest.raises(ValueError, match="bad object key"):
            store.discard(key)
    store.discard(f".tmp/{'f' * 32}")  # gone already
    assert store.get("a") == b"x"


# Products to take into a snapshot.


def test_products_without_commits_are_not_committed(source, target):
    register_product(target, FACES)
    assert committed_products(target) == tuple(sorted(product.name for product in PRODUCTS))
    empty = MemoryStore()
    assert committed_products(empty) == ()
    register_product(empty, FACES)
    assert committed_products(empty) == ()


def test_the_stores_of_these_tests_speak_the_protocol():
    assert isinstance(TimedStore(), Store) and isinstance(TimedStore().requests(), Mapping)
