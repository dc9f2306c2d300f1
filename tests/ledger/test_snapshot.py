import datetime
import json
import shutil
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faulty_store import FaultyStore
from memory_store import MemoryStore
from tiny_run import FACES, PRODUCTS, SMILE, do_faces, finished_run, tiny_run

from oodinv.ledger import (
    STATUSES,
    LedgerError,
    count_statuses,
    dataset_status,
    fsck,
    latest_snapshot,
    list_commits,
    load_snapshot,
    plan_inventory,
    publish_snapshot,
    read_commit,
    read_part,
    read_snapshot,
    rows_to_table,
    run_differences,
    sample_statuses,
)
from oodinv.ledger.schema import RUN_COLUMNS
from oodinv.store import FolderStore, PhotoFolder

PHOTOS = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>", "d.jpg": "1 faces", "e.jpg": "1 faces"}
NAMES = [product.name for product in PRODUCTS]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A source and what a run made of it; tests work on copies."""
    return finished_run(tmp_path_factory.mktemp("source") / "photos", PHOTOS)


@pytest.fixture
def source(finished, tmp_path):
    return PhotoFolder(root=shutil.copytree(finished[0].root, tmp_path / "photos"))


@pytest.fixture
def target(finished):
    return MemoryStore(objects=dict(finished[1].objects))


@pytest.fixture
def empty():
    return MemoryStore()


def status_of(target, product):
    return next(found for found in dataset_status(target).products if found.product == product.name)


def adds_up(status):
    return status.planned == status.ok + status.skipped + status.failed + status.quarantined + status.pending


def test_a_snapshot_holds_the_rows_of_all_commits(source, target):
    snapshot = latest_snapshot(target)
    table = read_snapshot(target)
    assert snapshot.number == 1 and snapshot == load_snapshot(target, 1)
    assert table.num_rows == 2 * 6
    assert sum(file.rows for file in snapshot.files) == table.num_rows
    assert snapshot.samples[SMILE.name] == {"ok": 3, "skipped": 1, "failed": 1, "quarantined": 0}
    assert snapshot.faces[SMILE.name] == {"ok": 4, "skipped": 0, "failed": 0, "quarantined": 0}
    assert snapshot.num_inputs == 5
    parts = [read_part(target, read_commit(target, found)) for found in list_commits(target, SMILE.name)]
    assert read_snapshot(target, products=[SMILE.name]).to_pylist() == [
        row for part in parts for row in part.to_pylist()
    ]
    assert read_snapshot(target, columns=["src_key", "status"]).column_names == ["src_key", "status"]


def test_latest_json_points_readers_without_this_library_to_the_files(source, tmp_path):
    target = FolderStore(root=tmp_path / "target")
    tiny_run(source, target)
    latest = json.loads(target.get("latest.json"))
    rows = [pq.read_table(target.root / file).num_rows for file in latest["files"]]
    assert latest["snapshot"] == 1 and sum(rows) == read_snapshot(target).num_rows


def test_the_rows_of_one_file_are_bounded(source, target):
    expected = read_snapshot(target)
    target.delete("snapshots/1.json")
    snapshot = publish_snapshot(target, NAMES, rows_per_file=3)
    assert len(snapshot.files) == 4 and max(file.rows for file in snapshot.files) <= 3
    assert read_snapshot(target).equals(expected)
    assert fsck(target, deep=True).clean


def test_nothing_new_makes_no_new_snapshot_and_a_lagging_pointer_catches_up(source, target):
    first = latest_snapshot(target)
    target.put("latest.json", b'{"snapshot":0,"files":[]}')
    assert publish_snapshot(target, NAMES) == first
    assert json.loads(target.get("latest.json"))["snapshot"] == 1
    assert [info.key for info in target.list("snapshots/") if info.key.endswith(".json")] == ["snapshots/1.json"]


def test_a_later_run_with_one_product_keeps_the_others_visible(source, target):
    (source.root / "f.jpg").write_text("1 faces")
    inventory = plan_inventory(source, target, 2)
    do_faces(source, target, inventory.shard("2-000000"))
    snapshot = publish_snapshot(target, [FACES.name])
    assert snapshot.number == 2 and set(snapshot.commits) == set(NAMES)
    assert read_snapshot(target, products=[SMILE.name]).num_rows == 6
    assert read_snapshot(target, products=[FACES.name]).num_rows == 7
    assert read_snapshot(target, number=1).num_rows == 12


def test_a_changed_photo_shows_its_new_rows_once_they_are_committed(source, target):
    (source.root / "a.jpg").write_text("much work still to do")
    inventory = plan_inventory(source, target, 2)

    waiting = status_of(target, SMILE)
    assert (waiting.planned, waiting.ok, waiting.pending) == (5, 2, 1) and adds_up(waiting)
    publish_snapshot(target, NAMES)
    old = [row for row in read_snapshot(target, products=[SMILE.name]).to_pylist() if row["src_key"] == "a.jpg"]
    assert [row["generation"] for row in old] == [0, 0]  # the old result stays until the new one is there

    (source.root / "a.jpg").write_text("3 faces")
    inventory = plan_inventory(source, target, 2)
    assert inventory.live_generation(old[0]["sample_id"]) == 2
    tiny_run(source, target)
    new = [row for row in read_snapshot(target, products=[SMILE.name]).to_pylist() if row["src_key"] == "a.jpg"]
    assert [(row["generation"], row["face_index"]) for row in new] == [(2, 0), (2, 1), (2, 2)]
    done = status_of(target, SMILE)
    assert (done.planned, done.ok, done.pending) == (5, 3, 0) and adds_up(done)
    assert fsck(target, deep=True).clean


def test_status_counts_pending_samples_of_unfinished_products(source, empty):
    inventory = plan_inventory(source, empty, 2)
    do_faces(source, empty, inventory.shard("1-000000"))
    (status,) = dataset_status(empty, [FACES.name]).products
    assert (status.planned, status.ok, status.skipped, status.pending) == (5, 1, 1, 3)
    assert (status.shards, status.shards_done) == (3, 1) and adds_up(status)


def test_without_commits_there_is_nothing_to_publish_or_read(empty):
    with pytest.raises(LedgerError, match="nothing is committed"):
        publish_snapshot(empty, NAMES)
    with pytest.raises(LedgerError, match="no snapshot in"):
        read_snapshot(empty)
    with pytest.raises(LedgerError, match="no snapshot 7"):
        load_snapshot(empty, 7)
    assert latest_snapshot(empty) is None


def test_an_unknown_product_is_refused(source, target):
    with pytest.raises(LedgerError, match=r"has no product \['nothing'\]"):
        read_snapshot(target, products=["nothing"])


def test_a_lost_commit_stops_the_next_snapshot(source, target):
    gone = list_commits(target, SMILE.name)[0].key
    target.delete(gone)
    with pytest.raises(LedgerError, match="1 published commits are gone"):
        publish_snapshot(target, NAMES)


def test_a_damaged_snapshot_is_not_read(source, target):
    snapshot = latest_snapshot(target)
    target.put(snapshot.files[0].key, b"x")
    with pytest.raises(LedgerError, match="is not what was published"):
        read_snapshot(target)
    target.put("snapshots/1.json", b"{}")
    with pytest.raises(LedgerError, match="no readable snapshot"):
        read_snapshot(target)


def test_publishers_at_once_never_publish_less_than_before(source, empty):
    inventory = plan_inventory(source, empty, 1)
    start = threading.Barrier(5)
    errors = []

    def work(shard_id):
        try:
            start.wait()
            do_faces(source, empty, inventory.shard(shard_id))
            publish_snapshot(empty, [FACES.name])
        except Exception as error:  # must reach the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(shard_id,)) for shard_id in inventory.shards()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    last = latest_snapshot(empty)
    sizes = [len(load_snapshot(empty, number).commits[FACES.name]) for number in range(1, last.number + 1)]
    assert sizes == sorted(set(sizes)) and sizes[-1] == 5


def test_a_publisher_whose_look_is_old_looks_again(source, empty):
    """Between its look at the commits and its write, another publishes one commit more."""
    inventory = plan_inventory(source, empty, 2)
    do_faces(source, empty, inventory.shard("1-000000"))

    class Overtaken(FaultyStore):
        def list(self, prefix=""):
            found = super().list(prefix)
            if "/commits/" in prefix and not any(empty.list("snapshots/")):
                do_faces(source, empty, inventory.shard("1-000001"))
                publish_snapshot(empty, [FACES.name])
            return found

    snapshot = publish_snapshot(Overtaken(empty), [FACES.name])
    assert snapshot.number == 1 and len(snapshot.commits[FACES.name]) == 2


def test_runs_differ_only_in_the_columns_of_the_run(source, target, empty):
    tiny_run(source, empty)
    a, b = read_snapshot(target), read_snapshot(empty)
    assert not a.equals(b)
    assert run_differences(a, b) == []
    assert run_differences(a, b.take(list(range(b.num_rows))[::-1])) == []
    for column in a.column_names:
        place = a.column_names.index(column)
        values = a[column].to_pylist()
        row = next((row for row, value in enumerate(values) if value is not None), None)
        if row is None:
            continue
        values[row] = changed(values[row])
        differs = run_differences(a, a.set_column(place, column, pa.array(values, a.schema.field(column).type)))
        assert bool(differs) == (column not in RUN_COLUMNS), column
    assert "only in the first run" in run_differences(a, b.slice(1))[0]
    with pytest.raises(ValueError, match="occur twice"):
        run_differences(a, rows_to_table([a.to_pylist()[0]] * 2))


def changed(value):
    match value:
        case str():
            return value + "x"
        case int() | float():
            return value + 10
        case list():
            return [item + 1 for item in value]
        case datetime.datetime():
            return value + datetime.timedelta(seconds=1)


def test_a_sample_is_ok_if_any_face_is_else_the_worst():
    def status(*statuses):
        table = rows_to_table([{"sample_id": "s", "status": status} for status in statuses])
        return sample_statuses(table)["s"]

    assert status("failed", "ok", "quarantined") == "ok"
    assert status("ok", "failed") == "ok"
    assert status("skipped", "quarantined", "failed") == "quarantined"
    assert status("skipped", "failed") == "failed"
    assert status("skipped") == "skipped"
    assert count_statuses(["ok", "ok"]) == dict.fromkeys(STATUSES, 0) | {"ok": 2}
