import dataclasses
import json
import threading

import pytest
from faulty_store import FaultyStore
from tiny_run import FACES, SMILE, do_edit, do_faces, face_rows, write_photos

from oodinv.ledger import (
    Commit,
    CommitId,
    LedgerError,
    PartInvalid,
    define_product,
    fsck,
    list_commits,
    list_products,
    new_attempt,
    plan_inventory,
    publish,
    read_commit,
    read_part,
    read_shard,
    register_product,
    write_object,
    write_part,
)
from oodinv.ledger.inventory import Shard
from oodinv.store import FolderStore, ObjectMissing, OutcomeUnknown, PhotoFolder


@pytest.fixture
def source(tmp_path):
    photos = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>"}
    return PhotoFolder(root=write_photos(tmp_path / "photos", photos))


@pytest.fixture
def target(tmp_path):
    target = FolderStore(root=tmp_path / "target")
    for product in (FACES, SMILE):
        register_product(target, product)
    return target


@pytest.fixture
def shard(source, target):
    return plan_inventory(source, target).shard("1-000000")


def prepare(source, target, shard, **changes):
    attempt = new_attempt()
    rows = face_rows(source, shard, attempt, FACES.name)
    return write_part(target, product=FACES.name, shard=shard, attempt=attempt, rows=rows, **changes)


def test_a_commit_lists_its_objects_and_counts(source, target, shard):
    do_faces(source, target, shard)
    assert do_edit(source, target, shard) == "done"
    (found,) = list_commits(target, SMILE.name)
    commit = read_commit(target, found)
    assert found == CommitId(product=SMILE.name, shard_id="1-000000", generation=0)
    assert commit.samples == {"ok": 1, "skipped": 1, "failed": 1, "quarantined": 0}
    assert commit.faces == {"ok": 2, "skipped": 0, "failed": 0, "quarantined": 0}
    assert commit.faces_commit.key == list_commits(target, FACES.name)[0].key
    assert {obj.key.rpartition("/")[2] for obj in commit.objects} == {
        f"{shard.samples[0].sample_id}.png",
        "part.parquet",
    }
    assert all(target.head(obj.key).size == obj.size for obj in commit.objects)
    assert read_part(target, commit)["out_key"].to_pylist()[0] == commit.objects[0].key
    assert target.get(commit.objects[0].key).startswith(b"2 FACES<?xpacket")


def test_nothing_is_visible_before_the_commit(source, target, shard):
    prepare(source, target, shard)
    assert list_commits(target, FACES.name) == []
    with pytest.raises(LedgerError, match="has no commit for shard 1-000000"):
        read_shard(target, FACES.name, "1-000000")


def test_the_first_attempt_wins_and_the_second_is_told(source, target, shard):
    first, second = prepare(source, target, shard), prepare(source, target, shard)
    assert publish(target, first) == "done"
    assert publish(target, second) == "lost"
    assert read_commit(target, first) == first


def test_publishing_again_finds_it_done(source, target, shard):
    commit = prepare(source, target, shard)
    assert [publish(target, commit) for _ in range(2)] == ["done", "already-mine"]


@pytest.mark.parametrize(("when", "outcome"), [("before", "done"), ("after", "already-mine")])
def test_after_a_lost_answer_the_same_call_is_repeated(source, target, shard, when, outcome):
    commit = prepare(source, target, shard)
    faulty = FaultyStore(target, lose_answer_at=1, when=when)
    assert publish(faulty, commit) == outcome
    assert faulty.calls[:2] == [("create", commit.key)] * 2
    assert read_commit(target, commit) == commit


def test_a_lost_answer_does_not_hide_that_another_was_first(source, target, shard):
    publish(target, prepare(source, target, shard))
    assert publish(FaultyStore(target, lose_answer_at=1, when="after"), prepare(source, target, shard)) == "lost"


def test_a_store_that_never_answers_ends_the_attempt_not_the_data(source, target, shard):
    class Deaf(FolderStore):
        def create(self, key, data):
            raise OutcomeUnknown("no answer")

    with pytest.raises(OutcomeUnknown):
        publish(Deaf(root=target.root), prepare(source, target, shard))


def test_of_eight_attempts_at_once_one_is_published(source, target, shard):
    commits = [prepare(source, target, shard) for _ in range(8)]
    start = threading.Barrier(8)
    outcomes = []

    def race(commit):
        start.wait()
        outcomes.append(publish(target, commit))

    threads = [threading.Thread(target=race, args=(commit,)) for commit in commits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["lost"] * 7
    report = fsck(target, deep=True)
    assert report.clean and report.num_orphans == 7


def test_an_attempt_publishes_one_content_only(source, target, shard):
    commit = prepare(source, target, shard)
    publish(target, commit)
    with pytest.raises(LedgerError, match="has published other content"):
        publish(target, dataclasses.replace(commit, timers={"detect": 9.0}))


def test_rows_that_name_what_is_not_committed_are_refused(source, target, shard):
    attempt = new_attempt()
    place = {"product": FACES.name, "shard_id": shard.shard_id, "attempt": attempt}
    mine = write_object(target, **place, name="a.png", data=b"x")
    rows = face_rows(source, shard, attempt, FACES.name)

    def write(objects=(mine,), **changes):
        changed = [{**rows[0], **changes}, *rows[1:]]
        return write_part(target, product=FACES.name, shard=shard, attempt=attempt, rows=changed, objects=list(objects))

    good = {"out_key": mine.key, "out_bytes": mine.size, "out_sha256": mine.sha256}
    assert mine in write(**good, mask_key=mine.key).objects
    with pytest.raises(PartInvalid, match=r"out_key .* is not among the commit's objects"):
        write(objects=(), **good)
    with pytest.raises(PartInvalid, match=r"mask_key 'elsewhere' is not among"):
        write(mask_key="elsewhere")
    with pytest.raises(PartInvalid, match="out_bytes and out_sha256 differ"):
        write(**good | {"out_bytes": 2})
    rows[2] |= good
    with pytest.raises(PartInvalid, match="belongs to another sample"):
        write(**good)
    assert list_commits(target, FACES.name) == []


def test_invalid_rows_write_nothing(source, target, shard):
    before = [info.key for info in target.list()]
    rows = face_rows(source, shard, "a" * 32, FACES.name)[1:]
    with pytest.raises(PartInvalid):
        write_part(target, product=FACES.name, shard=shard, attempt="a" * 32, rows=rows)
    assert [info.key for info in target.list()] == before


def test_a_commit_of_foreign_objects_cannot_be_made(source, target, shard):
    commit = prepare(source, target, shard)
    foreign = dataclasses.replace(commit.objects[0], key="products/other/data/x")
    with pytest.raises(LedgerError, match="below its attempt's own"):
        dataclasses.replace(commit, objects=(*commit.objects, foreign))
    with pytest.raises(LedgerError, match=r"part\.parquet is missing"):
        dataclasses.replace(commit, objects=())


def test_a_commit_there_and_back_is_the_same(source, target, shard):
    do_faces(source, target, shard)
    do_edit(source, target, shard)
    for product in (FACES.name, SMILE.name):
        (found,) = list_commits(target, product)
        commit = read_commit(target, found)
        assert isinstance(commit, Commit) and commit.to_bytes() == target.get(found.key)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda fields: fields.pop("attempt"), "no readable commit"),
        (lambda fields: fields.update(surprise=1), "no readable commit"),
        (lambda fields: fields.update(schema_version=2), "schema version 2, this program reads 1"),
        (lambda fields: fields.update(generation=1), "copied or renamed"),
        (lambda fields: fields.update(objects=[]), r"part\.parquet is missing"),
    ],
)
def test_a_damaged_commit_is_refused(source, target, shard, change, problem):
    do_faces(source, target, shard)
    (found,) = list_commits(target, FACES.name)
    fields = json.loads(target.get(found.key))
    change(fields)
    target.put(found.key, json.dumps(fields).encode())
    with pytest.raises(LedgerError, match=problem):
        read_commit(target, found)
    assert not fsck(target).clean


def test_a_foreign_object_among_commits_is_named(target):
    target.put(f"products/{FACES.name}/commits/notes.json", b"{}")
    with pytest.raises(LedgerError, match=r"notes\.json is no commit"):
        list_commits(target, FACES.name)


def test_a_part_that_was_changed_or_removed_is_not_read(source, target, shard):
    do_faces(source, target, shard)
    commit = read_commit(target, list_commits(target, FACES.name)[0])
    target.put(commit.part.key, b"x" * commit.part.size)
    with pytest.raises(LedgerError, match="is not what was published"):
        read_part(target, commit)
    target.delete(commit.part.key)
    with pytest.raises(LedgerError, match="is gone from"):
        read_part(target, commit)


def test_a_repair_replaces_the_rows_of_its_samples_only(source, target, shard):
    do_faces(source, target, shard)
    (source.root / "c.jpg").write_text("1 faces")  # the same version to the inventory: what failed works now
    part = Shard(shard_id=shard.shard_id, samples=shard.samples[2:])
    assert do_faces(source, target, part, generation=1) == "done"
    rows, faces_commit = read_shard(target, FACES.name, shard.shard_id)
    assert rows.select(["src_key", "face_index", "status"]).to_pylist() == [
        {"src_key": "a.jpg", "face_index": 0, "status": "ok"},
        {"src_key": "a.jpg", "face_index": 1, "status": "ok"},
        {"src_key": "b.jpg", "face_index": -1, "status": "skipped"},
        {"src_key": "c.jpg", "face_index": 0, "status": "ok"},
    ]
    assert faces_commit.key.endswith("/1-000000.1.json")
    assert fsck(target, deep=True).clean


def test_a_specification_is_written_once_and_never_changed(target):
    product = define_product("faces", {"detector": "other"}, ["detect"])
    assert register_product(target, product) is True
    assert register_product(target, product) is False
    assert product.name in list_products(target)
    target.put(f"products/{product.name}/spec.json", b'{"other":1}')
    with pytest.raises(LedgerError, match="holds another specification"):
        register_product(target, product)


def test_reading_a_commit_that_is_not_there_says_so(target):
    with pytest.raises(ObjectMissing):
        read_commit(target, CommitId(product=FACES.name, shard_id="1-000000", generation=0))
