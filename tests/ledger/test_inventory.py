import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from faulty_store import FaultyStore, Killed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from memory_store import MemoryStore
from tiny_run import FACES, do_faces, write_photos

from oodinv.ledger import (
    LedgerError,
    fsck,
    inventory_part,
    load_inventory,
    missing_work,
    plan,
    plan_inventory,
    sample_id,
)
from oodinv.ledger.audit_inventory import audit_inventory
from oodinv.ledger.inventory_part import INVENTORY_SCHEMA
from oodinv.ledger.parquet import to_parquet
from oodinv.store import FolderStore, PhotoFolder


@pytest.fixture
def source(tmp_path):
    return PhotoFolder(root=write_photos(tmp_path / "photos", {f"{n}.jpg": "1 faces" for n in range(5)}))


@pytest.fixture
def target(tmp_path):
    return FolderStore(root=tmp_path / "target")


def dealt(inventory):
    return {shard_id: [sample.key for sample in inventory.samples(shard_id)] for shard_id in inventory.shards()}


def entries(inventory):
    return pa.concat_tables([INVENTORY_SCHEMA.empty_table(), *inventory.rows()]).to_pylist()


def test_photos_are_dealt_in_the_order_of_their_keys(source, target):
    inventory = plan_inventory(source, target, 2)
    assert dealt(inventory) == {
        "1-000000": ["0.jpg", "1.jpg"],
        "1-000001": ["2.jpg", "3.jpg"],
        "1-000002": ["4.jpg"],
    }
    assert (inventory.parts, inventory.added, inventory.num_samples) == (1, 5, 5)
    sample = inventory.samples("1-000002")[0]
    assert sample.sample_id == sample_id("4.jpg")
    assert (sample.size, sample.etag, sample.generation) == (7, source.head("4.jpg").etag, 0)


def test_many_new_photos_make_several_parts(source, target, monkeypatch):
    monkeypatch.setattr(plan, "MOST_ROWS", 3)
    inventory = plan_inventory(source, target, 2)  # parts of whole shards
    assert dealt(inventory) == {
        "1-000000": ["0.jpg", "1.jpg"], "2-000000": ["2.jpg", "3.jpg"], "3-000000": ["4.jpg"],
    }  # fmt: skip
    assert (inventory.parts, inventory.added, inventory.num_samples) == (3, 5, 5)
    assert entries(load_inventory(target)) == entries(inventory)
    assert fsck(target).clean and plan_inventory(source, target, 2).added == 0


def test_a_planner_that_died_between_two_parts_has_dealt_the_first(source, target, monkeypatch):
    monkeypatch.setattr(plan, "MOST_ROWS", 2)
    with pytest.raises(Killed):
        plan_inventory(source, FaultyStore(target, kill_at=3), 2)  # list, create, create
    assert load_inventory(target).parts == 1
    inventory = plan_inventory(source, target, 2)
    assert (inventory.parts, inventory.added) == (3, 3)
    assert [key for keys in dealt(inventory).values() for key in keys] == [f"{n}.jpg" for n in range(5)]


def test_a_photo_that_changed_twice_has_the_newest_version(source, target, monkeypatch):
    monkeypatch.setattr(plan, "MOST_ROWS", 1)
    plan_inventory(source, target, 1)
    for content in ("changed", "changed again"):
        (source.root / "2.jpg").write_text(content)
        inventory = plan_inventory(source, target, 1)
    etag = source.head("2.jpg").etag
    assert [version for version in inventory.versions() if version[0] == "2.jpg"] == [("2.jpg", etag, 2)]
    assert inventory.changed == {sample_id("2.jpg"): {0: "3-000000", 1: "6-000000", 2: "7-000000"}}


def test_shards_are_read_across_groups_of_rows(source, target, monkeypatch):
    monkeypatch.setattr(inventory_part, "ROWS_PER_GROUP", 2)
    expected = plan_inventory(source, target, 3)
    inventory = load_inventory(target)
    assert dealt(inventory) == {"1-000000": ["0.jpg", "1.jpg", "2.jpg"], "1-000001": ["3.jpg", "4.jpg"]}
    assert dealt(inventory) == dealt(expected) and inventory.size_of("1-000000") == 3


def test_many_threads_read_one_inventory(tmp_path, target, monkeypatch):
    monkeypatch.setattr(inventory_part, "ROWS_PER_GROUP", 16)
    photos = PhotoFolder(root=write_photos(tmp_path / "many", {f"{n:03d}.jpg": "x" for n in range(300)}))
    inventory = plan_inventory(photos, target, 7)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(inventory.samples, inventory.shards() * 4))
    assert found == [inventory.samples(shard) for shard in inventory.shards()] * 4


def test_a_source_in_no_order_is_refused(target):
    class Shuffled(MemoryStore):
        def list(self, prefix=""):
            yield from reversed(list(super().list(prefix)))

    source = Shuffled()
    for name in ("a.jpg", "b.jpg"):
        source.put(name, b"x")
    with pytest.raises(LedgerError, match=r"lists 'a\.jpg' after 'b\.jpg': expected the order of keys"):
        plan_inventory(source, target)


def test_an_unchanged_source_writes_nothing(source, target):
    before = plan_inventory(source, target, 2)
    again = plan_inventory(source, target, 3)
    assert (again.parts, again.added) == (1, 0)
    assert entries(again) == entries(before) == entries(load_inventory(target))


def test_new_and_changed_photos_go_to_new_shards_and_nothing_else_moves(source, target):
    before = dealt(plan_inventory(source, target, 2))
    (source.root / "9.jpg").write_text("new")
    (source.root / "1.jpg").write_text("changed content")
    (source.root / "3.jpg").unlink()
    inventory = plan_inventory(source, target, 2)
    assert dealt(inventory) == {**before, "2-000000": ["1.jpg", "9.jpg"]}
    assert [sample.generation for sample in inventory.samples("2-000000")] == [1, 0]
    assert inventory.live_generation(sample_id("1.jpg")) == 1
    assert inventory.live_generation(sample_id("9.jpg")) == inventory.live_generation(sample_id("0.jpg")) == 0
    assert (inventory.added, inventory.num_samples) == (2, 6)


def test_other_files_are_ignored_and_counted(source, target):
    write_photos(source.root, {"notes.txt": "x", "a/Thumbs.db": "x", "._0.jpg": "x", "B.JPEG": "x", "c.HEIC": "x"})
    inventory = plan_inventory(source, target)
    assert inventory.ignored == 2
    assert [sample.key for sample in inventory.samples("1-000000")][-2:] == ["B.JPEG", "c.HEIC"]


def test_a_source_without_photos_is_refused(tmp_path, target):
    empty = PhotoFolder(root=write_photos(tmp_path / "empty", {"notes.txt": "x"}))
    with pytest.raises(LedgerError, match=r"no photos in .*empty \(1 other files\): expected names ending in \.jpg"):
        plan_inventory(empty, target)
    assert not target.root.exists()


def test_a_shard_of_no_samples_is_refused(source, target):
    with pytest.raises(ValueError, match="shard_size must be at least 1, got 0"):
        plan_inventory(source, target, 0)


def test_a_folder_that_is_no_dataset_is_said_to_be_none(target):
    with pytest.raises(LedgerError, match="this is not a dataset yet"):
        load_inventory(target)


def test_a_deleted_part_is_noticed(source, target):
    for number in range(3):
        (source.root / f"new-{number}.jpg").write_text("x")
        plan_inventory(source, target)
    target.delete("inventory/2.parquet")
    with pytest.raises(LedgerError, match=r"inventory/2\.parquet is missing .*backup, or start a new target"):
        plan_inventory(source, target)


def test_part_ten_comes_after_part_nine(source, target):
    for number in range(11):
        (source.root / f"new-{number}.jpg").write_text("x")
        assert plan_inventory(source, target).parts == number + 1
    assert load_inventory(target).shards()[-1] == "11-000000"


def test_of_eight_planners_at_once_no_two_deal_one_photo(source, target):
    start = threading.Barrier(8)
    errors = []

    def plan():
        try:
            start.wait()
            plan_inventory(source, target, 2)
        except Exception as error:  # must reach the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=plan) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    inventory = load_inventory(target)
    assert (inventory.parts, len(entries(inventory))) == (1, 5)


@pytest.mark.parametrize("moment", ["list", "create"])
def test_a_planner_whose_look_is_old_looks_again(source, target, moment):
    """While it looks, or between its look and its write, a photo changes and another planner deals the new version."""

    class Overtaken(FaultyStore):
        def _call(self, method, key, act):
            if method == moment and not any(target.list("inventory/")):
                (source.root / "0.jpg").write_text("changed meanwhile")
                plan_inventory(source, target, 2)
            return super()._call(method, key, act)

    inventory = plan_inventory(source, Overtaken(target), 2)
    assert (inventory.parts, inventory.added) == (1, 0)
    assert inventory.samples("1-000000")[0].etag == source.head("0.jpg").etag


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_deals_nothing_twice(source, target, when):
    faulty = FaultyStore(target, lose_answer_at=2, when=when)
    inventory = plan_inventory(source, faulty, 2)
    assert faulty.calls[1] == ("create", "inventory/1.parquet")
    assert (inventory.parts, len(entries(inventory))) == (1, 5)


def test_missing_work_lists_each_product_of_each_shard_with_one_listing_per_product(source, target):
    inventory = plan_inventory(source, target, 2)
    do_faces(source, target, inventory.shard("1-000001"))
    counting = FaultyStore(target)
    work = missing_work(counting, inventory, [FACES.name, "other-00000000"])
    assert work == {
        "1-000000": [FACES.name, "other-00000000"],
        "1-000001": ["other-00000000"],
        "1-000002": [FACES.name, "other-00000000"],
    }
    assert [method for method, _ in counting.calls] == ["list", "list"]
    assert missing_work(target, inventory, []) == {}


def test_a_shard_whose_samples_all_have_a_newer_version_needs_no_work(source, target):
    plan_inventory(source, target, 2)
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        (source.root / name).write_text("changed content")
    inventory = plan_inventory(source, target, 2)
    assert inventory.live_shards() == ("1-000001", "1-000002", "2-000000", "2-000001")
    assert "1-000000" not in missing_work(target, inventory, [FACES.name])


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("sample_id", ["f" * 32] * 5, "expected " + sample_id("0.jpg")),
        ("key", ["0.jpg", "0.jpg", "2.jpg", "3.jpg", "4.jpg"], "'0.jpg' is dealt as generation 0, expected 1"),
        ("generation", [0, 0, 1, 0, 0], "'2.jpg' is dealt as generation 1, expected 0"),
        (
            "shard_id",
            ["1-000000", "1-000000", "1-000002", "1-000002", "1-000003"],
            "'2.jpg' in shard '1-000002' is out",
        ),
        ("shard_id", ["2-000000"] * 5, "out of order"),
        ("key", ["1.jpg", "0.jpg", "2.jpg", "3.jpg", "4.jpg"], "'0.jpg' in shard '1-000000' is out of order"),
    ],
)
def test_the_audit_names_what_planning_would_not_have_written(source, target, column, values, problem):
    table = pa.concat_tables(plan_inventory(source, target, 2).rows())
    assert list(audit_inventory(target, 1)) == []
    place = table.column_names.index(column)
    target.put("inventory/1.parquet", to_parquet(table.set_column(place, table.schema.field(column), pa.array(values))))
    assert problem in " ".join(audit_inventory(target, 1))
    assert not fsck(target).clean


class GrowingSource(RuleBasedStateMachine):
    """Photos come, change and go in any order; runs plan in between. A dict is the model."""

    names = st.sampled_from([f"{letter}.jpg" for letter in "abcdefgh"])

    @initialize()
    def begin(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.source = PhotoFolder(root=Path(self.scratch.name) / "photos")
        self.target = MemoryStore()
        write_photos(self.source.root, {"first.jpg": "x"})
        self.clock = 0
        self.shards = {}
        self.known = {}  # key → etags in the order in which planning saw them

    @rule(name=names)
    def add_or_modify(self, name):
        self.clock += 1
        (self.source.root / name).write_text("x")
        os.utime(self.source.root / name, ns=(self.clock, self.clock))

    @precondition(lambda self: len(list(self.source.list())) > 1)
    @rule(name=names)
    def remove(self, name):
        (self.source.root / name).unlink(missing_ok=True)

    @rule(shard_size=st.integers(1, 3))
    def plan(self, shard_size):
        before = self.shards
        for info in self.source.list():
            etags = self.known.setdefault(info.key, [])
            if etags[-1:] != [info.etag]:
                etags.append(info.etag)
        inventory = plan_inventory(self.source, self.target, shard_size)
        self.shards = {shard_id: inventory.samples(shard_id) for shard_id in inventory.shards()}
        for shard_id, samples in self.shards.items():
            if shard_id in before:
                assert samples == before[shard_id]
            else:
                assert 1 <= len(samples) <= shard_size
        assert plan_inventory(self.source, self.target, shard_size).added == 0

    @invariant()
    def every_version_is_dealt_once(self):
        versions = sorted(
            (sample.key, sample.generation, sample.etag) for samples in self.shards.values() for sample in samples
        )
        expected = sorted((key, n, etag) for key, etags in self.known.items() for n, etag in enumerate(etags))
        assert versions == expected

    @invariant()
    def the_audit_is_clean(self):
        if self.shards:
            inventory = load_inventory(self.target)
            assert list(audit_inventory(self.target, inventory.parts)) == []
            assert inventory.num_samples == len(self.known)

    def teardown(self):
        self.scratch.cleanup()


TestGrowingSource = GrowingSource.TestCase
TestGrowingSource.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
