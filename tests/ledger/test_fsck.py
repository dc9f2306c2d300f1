"""Every kind of damage is found and named."""

import dataclasses
import json
import re
import shutil

import pytest
import tiny_run as tiny_run_module
from faulty_store import FaultyStore
from memory_store import MemoryStore
from tiny_run import FACES, PRODUCTS, SMILE, do_faces, finished_run, tiny_run, write_photos

from oodinv.ledger import LedgerError, canonical_json, fsck, list_commits, load_inventory, read_commit
from oodinv.ledger.findings import MAX_SHOWN
from oodinv.ledger.layout import attempt_prefix
from oodinv.store import FolderStore, PhotoFolder

PHOTOS = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>", "d.jpg": "1 faces"}


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


def commit_of(target, product=SMILE, index=0):
    return read_commit(target, list_commits(target, product.name)[index])


def edit_commit(target, **changes):
    commit = commit_of(target)
    fields = json.loads(target.get(commit.key)) | changes
    target.put(commit.key, canonical_json(fields))


def test_a_finished_dataset_is_clean(target):
    report = fsck(target, deep=True)
    assert report.clean and report.problems == () and report.orphans == ()
    assert (report.num_products, report.num_commits, report.num_objects) == (2, 4, 6)


def test_checking_writes_nothing(target):
    spy = FaultyStore(target)
    fsck(spy, deep=True)
    assert {method for method, _ in spy.calls} <= {"list", "folders", "get", "head"}


def remove_image(target):
    target.delete(commit_of(target).objects[0].key)


def shorten_image(target):
    target.put(commit_of(target).objects[0].key, b"short")


def remove_part(target):
    target.delete(commit_of(target).part.key)


def change_part(target):
    part = commit_of(target).part
    target.put(part.key, b"x" * part.size)


def remove_everything_of_a_shard(target):
    for obj in commit_of(target).objects:
        target.delete(obj.key)


def remove_spec(target):
    target.delete(f"products/{SMILE.name}/spec.json")


def change_spec(target):
    target.put(f"products/{SMILE.name}/spec.json", b'{"strength":3}')


def break_spec(target):
    target.put(f"products/{SMILE.name}/spec.json", b"{")


def change_counts(target):
    edit_commit(target, samples={"ok": 2, "skipped": 0, "failed": 0, "quarantined": 0})


def break_commit(target):
    target.put(commit_of(target).key, b"{")


def change_faces_commit(target):
    edit_commit(target, faces_commit={"key": commit_of(target, FACES).key, "sha256": "0" * 64})


def remove_faces_commit(target):
    edit_commit(target, faces_commit={"key": f"products/{FACES.name}/commits/9-000000.0.json", "sha256": "0" * 64})


def foreign_commit(target):
    target.put(f"products/{SMILE.name}/commits/notes.json", b"{}")


def commit_of_an_unknown_shard(target):
    commit = commit_of(target)
    moved = dataclasses.replace(
        commit.part, key=attempt_prefix(SMILE.name, "7-000000", commit.attempt) + "part.parquet"
    )
    target.put(moved.key, target.get(commit.part.key))
    foreign = dataclasses.replace(commit, shard_id="7-000000", objects=(moved,))
    target.put(foreign.key, foreign.to_bytes())


def skip_a_generation(target):
    commit = commit_of(target)
    fields = json.loads(target.get(commit.key)) | {"generation": 2}
    target.put(commit.key.replace("1-000000.0", "1-000000.2"), canonical_json(fields))


def list_an_object_twice(target):
    commit = commit_of(target)
    fields = json.loads(target.get(commit.key)) | {"generation": 1}
    target.put(commit.key.replace("1-000000.0", "1-000000.1"), canonical_json(fields))


def remove_snapshot_file(target):
    target.delete(json.loads(target.get("latest.json"))["files"][0])


def break_snapshot(target):
    target.put("snapshots/1.json", b"{")


def remove_committed_behind_snapshot(target):
    target.delete(commit_of(target).key)


def break_latest(target):
    target.put("latest.json", b'{"snapshot":9}')


DAMAGES = [
    (remove_image, "png is missing"),
    (shorten_image, "has 5 bytes, committed were 7"),
    (remove_part, "part.parquet is missing"),
    (change_part, "is not what was published"),
    (remove_everything_of_a_shard, "png is missing"),
    (remove_spec, "spec.json is missing"),
    (change_spec, "is not the specification that smile"),
    (break_spec, "no readable specification"),
    (change_counts, "its rows give"),
    (break_commit, "is no readable commit"),
    (change_faces_commit, "is not the one it was computed from"),
    (remove_faces_commit, "9-000000.0.json' is missing"),
    (foreign_commit, "notes.json is no commit"),
    (commit_of_an_unknown_shard, "no shard '7-000000'"),
    (skip_a_generation, "generation 1 of this shard is missing"),
    (list_an_object_twice, "is listed by another commit too"),
    (remove_snapshot_file, "snapshots/1.json: snapshots/data/"),
    (break_snapshot, "no readable snapshot"),
    (remove_committed_behind_snapshot, "is missing or was changed"),
    (break_latest, "names snapshot 9, which does not exist"),
]


@pytest.mark.parametrize(("damage", "problem"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_damage_is_found_and_named(target, damage, problem):
    damage(target)
    report = fsck(target)
    assert not report.clean
    assert problem in "\n".join(report.problems)


def test_changed_pixels_are_found_by_a_deep_check_only(target):
    image = commit_of(target).objects[0]
    target.put(image.key, b"2 EYES!".ljust(image.size))
    assert fsck(target).clean
    assert "is not what was published" in " ".join(fsck(target, deep=True).problems)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (
            {"bundle_sha256": "f" * 64},
            r"and bundle ffffffffffff… made it, its rows say smile_p1.50-.* and 000000000000…",
        ),
        ({"product": "identity-00000000"}, "says that identity-00000000 and bundle"),
        (None, "does not say that it is synthetic"),
    ],
)
def test_pictures_that_tell_another_making_than_their_rows_are_found(tmp_path, monkeypatch, told, problem):
    honest = tiny_run_module.Provenance

    class Silent:
        def __init__(self, **fields):
            pass

        def packet(self):
            return b""

    lying = Silent if told is None else lambda **fields: honest(**(fields | told))
    monkeypatch.setattr(tiny_run_module, "Provenance", lying)
    _, target = finished_run(tmp_path / "photos", {"0.jpg": "1 faces"})
    assert fsck(target).clean
    (found,) = fsck(target, deep=True).problems
    assert re.search(problem, found)


def test_a_snapshot_of_other_rows_is_found_by_a_deep_check(source, target):
    """The files are whole and vouched for, but hold another dataset's rows."""
    other = MemoryStore()
    write_photos(source.root, {"a.jpg": "1 faces"})
    tiny_run(source, other)
    theirs = json.loads(other.get("snapshots/1.json"))
    for file in theirs["files"]:
        target.put(file["key"], other.get(file["key"]))
    target.put(
        "snapshots/1.json", canonical_json(json.loads(target.get("snapshots/1.json")) | {"files": theirs["files"]})
    )
    assert fsck(target).clean
    assert "are not those of its commits" in " ".join(fsck(target, deep=True).problems)


def test_what_no_commit_lists_is_an_orphan_and_no_problem(source, target):
    shard = load_inventory(target).shard("1-000000")
    assert do_faces(source, target, shard) == "lost"
    target.put("snapshots/data/" + "0" * 32 + "/x.parquet", b"12345")
    report = fsck(target)
    assert report.clean and report.num_orphans == 2
    assert report.orphan_bytes == sum(target.head(key).size for key in report.orphans)


def test_the_report_is_bounded(target):
    for number in range(MAX_SHOWN + 10):
        target.put(f"products/{SMILE.name}/data/00/1-000000/left/{number}", b"x")
    report = fsck(target)
    assert len(report.orphans) == MAX_SHOWN and report.num_orphans == MAX_SHOWN + 10


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="not a dataset yet"):
        fsck(FolderStore(root=tmp_path / "nothing"))


def test_all_products_are_checked(target):
    assert fsck(target).num_products == len(PRODUCTS)
