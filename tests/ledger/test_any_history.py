"""Whatever happens to a dataset, and in whatever order: what is published is whole, once, and right in the end."""

import os
import tempfile
from pathlib import Path

import pyarrow.compute as pc
from faulty_store import FaultyStore, Killed
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from memory_store import MemoryStore, TimedStore
from tiny_run import FACES, SMILE, do_work, tiny_run, to_do, write_photos

from oodinv.ledger import (
    LedgerError,
    define_product,
    fsck,
    list_commits,
    load_inventory,
    plan_inventory,
    publish_snapshot,
    read_snapshot,
    register_product,
    run_differences,
)
from oodinv.ledger.gc import collect_garbage
from oodinv.ledger.retry import RetryRequest, ask_for_retry
from oodinv.store import OutcomeUnknown, PhotoFolder

AGE = define_product("age_m1.00", {"faces": FACES.name, "strength": -1.0}, ["model", "compose", "encode"])
CONTENTS = ("2 faces", "1 faces", "no faces", "broken!")
RETRIED = RetryRequest(statuses=frozenset({"failed", "skipped"}))
DAY_S = 24 * 3600.0
FOREVER = ("inventory/", "retries/", "products/", "snapshots/")


class Stopped(Exception):
    """At the moment before its commit."""


class StopsBeforeCommit(FaultyStore):
    def create(self, key, data):
        if "/commits/" in key:
            raise Stopped(key, data)
        return super().create(key, data)


class Interrupted(FaultyStore):
    """Before one of its calls, something else happens."""

    at, happens = 0, staticmethod(lambda: None)

    def _call(self, method, key, act):
        if len(self.calls) + 1 == self.at:
            self.happens()
        return super()._call(method, key, act)


class AnyHistory(RuleBasedStateMachine):
    """A source that changes, runs that end well, badly, late or twice, and all that people do to a dataset."""

    names = st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e/f.jpg"])
    calls = st.integers(1, 70)

    @initialize()
    def begin(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.source = PhotoFolder(root=Path(self.scratch.name) / "photos")
        self.target = TimedStore()
        self.products = [FACES, SMILE]
        self.clock, self.late, self.seen, self.counted = 0, [], {}, {}
        write_photos(self.source.root, {"first.jpg": "1 faces"})

    @rule(name=names, content=st.sampled_from(CONTENTS))
    def add_or_change(self, name, content):
        self.clock += 1
        write_photos(self.source.root, {name: content})
        os.utime(self.source.root / name, ns=(self.clock, self.clock))

    @precondition(lambda self: any(self._broken()))
    @rule(data=st.data())
    def read_better(self, data):
        """A photo that could not be read can be, though it is the same version: a flaky disk, a newer decoder."""
        path = data.draw(st.sampled_from(self._broken()))
        status = path.stat()
        path.write_text("1 faces")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    @precondition(lambda self: len(self._photos()) > 1)
    @rule(name=names)
    def remove(self, name):
        (self.source.root / name).unlink(missing_ok=True)

    @precondition(lambda self: AGE not in self.products)
    @rule()
    def add_an_edit(self):
        self.products.append(AGE)

    @rule(shard_size=st.integers(1, 3))
    def run(self, shard_size):
        snapshot = tiny_run(self.source, self.target, shard_size, self.products)
        planned = load_inventory(self.target).num_samples
        assert all(sum(counts.values()) == planned for counts in snapshot.samples.values())

    @rule(at=calls, when=st.sampled_from(["before", "after"]))
    def run_and_die(self, at, when):
        try:
            tiny_run(self.source, FaultyStore(self.target, kill_at=at, when=when), products=self.products)
        except Killed:
            pass

    @rule(at=calls, when=st.sampled_from(["before", "after"]))
    def run_and_lose_an_answer(self, at, when):
        try:
            tiny_run(self.source, FaultyStore(self.target, lose_answer_at=at, when=when), products=self.products)
        except OutcomeUnknown:
            pass  # of a call that nothing was decided by: the run ended, the next one goes on

    @rule(at=calls)
    def run_beside_another_driver(self, at):
        store = Interrupted(self.target)
        store.at, store.happens = at, lambda: tiny_run(self.source, self.target, products=self.products)
        tiny_run(self.source, store, products=self.products)

    @precondition(lambda self: self.target.objects)
    @rule(data=st.data())
    def begin_what_ends_late(self, data):
        """An actor that everybody believes dead has all done but its commit."""
        inventory = plan_inventory(self.source, self.target, 2)
        for product in self.products:
            register_product(self.target, product)
        faces = {found.shard_id for found in list_commits(self.target, FACES.name)}
        open_ = [w for w in to_do(self.target, inventory, self.products) if w[1] == FACES or w[0] in faces]
        if open_:
            try:
                do_work(self.source, StopsBeforeCommit(self.target), inventory, *data.draw(st.sampled_from(open_)))
            except Stopped as stopped:
                self.late.append(stopped.args)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def end_late(self, data):
        key, content = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        self.target.create(key, content)

    @precondition(lambda self: self.target.objects)
    @rule(statuses=st.sets(st.sampled_from(["failed", "skipped"]), min_size=1))
    def ask_again(self, statuses):
        try:
            ask_for_retry(self.target, RetryRequest(statuses=frozenset(statuses)))
        except LedgerError as error:
            assert "no inventory" in str(error) or "not a dataset" in str(error), error

    @precondition(lambda self: any("/commits/" in key for key in self.target.objects))
    @rule()
    def compact(self):
        publish_snapshot(self.target, [product.name for product in self.products if self._is_known(product)])

    @precondition(lambda self: any("/spec.json" in key for key in self.target.objects))
    @rule()
    def collect(self):
        """Long after: whoever was late is not any more."""
        self.late.clear()
        self.target.clock += 2 * DAY_S
        report = collect_garbage(self.target, grace_s=DAY_S, now=self.target.clock, delete=True)
        assert report.num_deleted == report.num_candidates and report.errors == ()

    @invariant()
    def what_is_published_is_whole_and_never_changes(self):
        if not any(key.startswith("inventory/") for key in self.target.objects):
            return
        report = fsck(self.target, deep=True)
        assert report.clean, report.problems
        now = {
            key: data
            for key, data in self.target.objects.items()
            if key.startswith(FOREVER) and ("/data/" not in key or key.startswith("snapshots/"))
        }
        changed = [key for key, data in self.seen.items() if now.get(key, data) != data]
        assert changed == []
        gone = [key for key in self.seen.keys() - now.keys() if not key.startswith("snapshots/data/")]
        assert gone == []
        self.seen = now

    def teardown(self):
        """A run to the end, everything that came to nothing tried once more: as if nothing had ever happened."""
        try:
            for _ in range(2):
                tiny_run(self.source, self.target, products=self.products)
                ask_for_retry(self.target, RETRIED)
            tiny_run(self.source, self.target, products=self.products)
            undisturbed = MemoryStore()
            tiny_run(self.source, undisturbed, products=self.products)
            here, there = self._rows(self.target), self._rows(undisturbed)
            assert run_differences(here, there) == []
            self.what_is_published_is_whole_and_never_changes()
        finally:
            self.scratch.cleanup()

    def _rows(self, target):
        """Of the photos that are still there, without the names of their shards."""
        there = [info.key for info in self.source.list()]
        names = [product.name for product in self.products]
        rows = read_snapshot(target, products=names).sort_by([("product", "ascending"), ("src_key", "ascending")])
        rows = rows.filter(pc.is_in(rows["src_key"], value_set=pc.cast(there, "string")))
        column = rows.schema.get_field_index("shard_id")
        return rows.set_column(column, rows.schema.field(column), [["1-000000"] * rows.num_rows])

    def _photos(self):
        return [path for path in self.source.root.rglob("*.jpg") if path.is_file()]

    def _broken(self):
        return [path for path in self._photos() if path.read_text() == "broken!"]

    def _is_known(self, product):
        return f"products/{product.name}/spec.json" in self.target.objects


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=8, stateful_step_count=20, deadline=None, phases=[Phase.generate])
