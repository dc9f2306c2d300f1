"""Samples that came to nothing are done again, and nothing else is touched."""

import os

import pytest
from faulty_store import FaultyStore, Killed
from tiny_run import FACES, PRODUCTS, SMILE, do_edit, do_faces, finished_run, tiny_run

from oodinv.ledger import LedgerError, fsck, list_commits, read_commit, read_snapshot, sample_id
from oodinv.ledger.inventory import Shard, load_inventory
from oodinv.ledger.retry import RetryRequest, ask_for_retry, list_retries, open_repairs

NAMES = [product.name for product in PRODUCTS]
CONTENTS = {"0.jpg": "1 faces", "1.jpg": "broken!", "2.jpg": "no faces", "3.jpg": "broken too", "4.jpg": "2 faces"}
BAD = [sample_id("1.jpg"), sample_id("3.jpg")]


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "photos", CONTENTS)


def repair(source, target):
    """What a run does with open repairs."""
    inventory = load_inventory(target)
    for shard_id, wanted in open_repairs(target, NAMES).items():
        samples = tuple(s for s in inventory.samples(shard_id) if s.sample_id in wanted.samples)
        shard = Shard(shard_id=shard_id, samples=samples)
        for name, work in ((FACES.name, do_faces), (SMILE.name, do_edit)):
            if name in wanted.generations:
                more = {"generation": wanted.generations[name], "retries": wanted.retries}
                assert work(source, target, shard, **more) == "done"


def statuses(target):
    rows = read_snapshot(target).to_pylist()
    return {(row["product"], row["src_key"]): row["status"] for row in rows}


def test_what_failed_is_asked_for_by_product_and_shard(run):
    _, target = run
    retry = ask_for_retry(target, RetryRequest())
    expected = {"1-000000": (BAD[0],), "1-000001": (BAD[1],)}
    assert retry.samples == {FACES.name: expected, SMILE.name: expected}
    assert retry.count() == {FACES.name: 2, SMILE.name: 2} and list_retries(target) == [1]
    repairs = open_repairs(target, NAMES)
    assert repairs["1-000000"].samples == {BAD[0]} and repairs["1-000000"].retries == (1,)
    assert repairs["1-000000"].generations == {FACES.name: 1, SMILE.name: 1}
    assert set(open_repairs(target, [SMILE.name])["1-000001"].generations) == {SMILE.name}


def test_a_repair_replaces_the_rows_of_its_samples_and_answers_the_demand(run):
    source, target = run
    before = statuses(target)
    objects = {info.key: info.etag for info in target.list()}
    ask_for_retry(target, RetryRequest())
    mended = source.root / "1.jpg"
    status = mended.stat()
    mended.write_text("1 faces")  # of the same size and time: the same version of the photo, read better
    os.utime(mended, ns=(status.st_atime_ns, status.st_mtime_ns))
    repair(source, target)
    assert open_repairs(target, NAMES) == {}
    tiny_run(source, target)
    assert load_inventory(target).parts == 1
    after = statuses(target)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {(name, "1.jpg") for name in NAMES} and after[SMILE.name, "1.jpg"] == "ok"
    assert after[SMILE.name, "3.jpg"] == "failed"
    now = {info.key: info.etag for info in target.list()}
    assert all(now[key] == etag for key, etag in objects.items() if key != "latest.json")
    assert fsck(target, deep=True).clean


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        (RetryRequest(statuses=frozenset({"skipped"})), {"2.jpg"}),
        (RetryRequest(statuses=frozenset({"failed", "skipped"})), {"1.jpg", "2.jpg", "3.jpg"}),
        (RetryRequest(error_classes=frozenset({"not-an-image"})), {"1.jpg", "3.jpg"}),
        (RetryRequest(error_classes=frozenset({"timeout"})), set()),
        (RetryRequest(statuses=frozenset({"quarantined"})), set()),
    ],
)
def test_status_and_error_class_choose(run, request_, keys):
    _, target = run
    retry = ask_for_retry(target, request_)
    found = {} if retry is None else retry.samples[FACES.name]
    assert {sample for ids in found.values() for sample in ids} == {sample_id(key) for key in keys}
    assert list_retries(target) == ([1] if keys else [])


def test_edits_follow_the_faces_they_were_made_of(run):
    _, target = run
    retry = ask_for_retry(target, RetryRequest(products=frozenset({FACES.name})), write=False)
    assert set(retry.samples) == set(NAMES) and list_retries(target) == []
    retry = ask_for_retry(target, RetryRequest(products=frozenset({SMILE.name})), write=False)
    assert set(retry.samples) == {SMILE.name}


def test_demands_that_overlap_are_answered_together(run):
    source, target = run
    ask_for_retry(target, RetryRequest())
    ask_for_retry(target, RetryRequest(statuses=frozenset({"skipped"})))
    repairs = open_repairs(target, NAMES)
    assert repairs["1-000001"].samples == {sample_id("2.jpg"), BAD[1]} and repairs["1-000001"].retries == (1, 2)
    repair(source, target)
    assert open_repairs(target, NAMES) == {} and fsck(target, deep=True).clean
    newest = list_commits(target, FACES.name)[-2]
    assert read_commit(target, newest).retries == (1, 2)


def test_a_demand_that_came_while_another_was_answered_stays_open(run):
    source, target = run
    ask_for_retry(target, RetryRequest())
    old = open_repairs(target, NAMES)["1-000001"]
    ask_for_retry(target, RetryRequest(statuses=frozenset({"skipped"})))
    shard = load_inventory(target).shard("1-000001")
    samples = tuple(sample for sample in shard.samples if sample.sample_id in old.samples)
    do_faces(source, target, Shard(shard_id="1-000001", samples=samples), generation=1, retries=old.retries)
    left = open_repairs(target, [FACES.name])["1-000001"]
    assert left.retries == (2,) and left.samples == {sample_id("2.jpg")} and left.generations == {FACES.name: 2}


def test_whoever_asks_dies_at_any_moment_and_asks_again(run):
    _, target = run
    for call in range(1, 30):
        faulty = FaultyStore(target, kill_at=call, when="after")
        try:
            ask_for_retry(faulty, RetryRequest())
            break
        except Killed:
            assert list_retries(target) in ([], [1])
    assert len(list_retries(target)) <= 2 and fsck(target).clean


def test_a_lost_answer_asks_once(run):
    _, target = run
    counting = FaultyStore(target)
    ask_for_retry(counting, RetryRequest(), write=False)
    faulty = FaultyStore(target, lose_answer_at=len(counting.calls) + 1, when="after")
    assert ask_for_retry(faulty, RetryRequest()).number == 1 and list_retries(target) == [1]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [(b"{", "no readable retry"), (b'{"number": 7, "samples": {}}', "holds the retry 7"), (b"[]", "no readable")],
)
def test_a_damaged_demand_is_told(run, damage, expected):
    _, target = run
    target.put("retries/1.json", damage)
    with pytest.raises(LedgerError, match=expected):
        open_repairs(target, NAMES)
    assert not fsck(target).clean


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"statuses": frozenset({"ok"})}, "expected some of skipped, failed"), ({"statuses": frozenset()}, "expected")],
)
def test_only_samples_without_result_are_retried(options, expected):
    with pytest.raises(LedgerError, match=expected):
        RetryRequest(**options)


def test_an_unknown_product_is_refused(run):
    _, target = run
    with pytest.raises(LedgerError, match=rf"no product hats-1.*there are {FACES.name}"):
        ask_for_retry(target, RetryRequest(products=frozenset({"hats-1"})))
