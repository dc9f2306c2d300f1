"""What is done beside the model comes in order, and holds no more memory than it may."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodinv.engine.overlap import Ahead, Behind


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Meter:
    """Work that says how much of it was begun and not yet taken away."""

    def __init__(self):
        self.lock, self.held, self.most, self.begun = threading.Lock(), 0, 0, []

    def take(self, size):
        with self.lock:
            self.begun.append(size)
            self.held += size
            self.most = max(self.most, self.held)
        time.sleep(0.001)
        return size

    def give(self, size):
        with self.lock:
            self.held -= size


@given(sizes=st.lists(st.integers(1, 9), max_size=20), most=st.integers(1, 5), most_bytes=st.integers(1, 20))
def test_items_come_in_order_within_their_bounds(threads, sizes, most, most_bytes):
    meter, found = Meter(), []
    ahead = Ahead(threads, most=most, size_of=lambda size: size, most_bytes=most_bytes)
    for item, result in ahead(meter.take, sizes):
        found.append((item, result))
        meter.give(item)
    assert found == [(size, size) for size in sizes]
    assert meter.most <= max(most_bytes, max(sizes, default=0)) and len(meter.begun) == len(sizes)


@given(sizes=st.lists(st.integers(1, 9), max_size=20), most=st.integers(1, 5), most_bytes=st.integers(1, 20))
def test_a_lane_goes_on_with_one_item_at_a_time_in_their_order(threads, sizes, most, most_bytes):
    meter, at, order = Meter(), [], []

    def second(item, made):
        at.append(item)
        assert len(at) == 1 and made == item
        time.sleep(0.0005)
        order.append(item)
        at.remove(item)
        return -made

    with ThreadPoolExecutor(1) as lane:
        ahead = Ahead(threads, most=most, size_of=lambda size: size, most_bytes=most_bytes, lane=lane)
        found = []
        for item, result in ahead.then(meter.take, second, sizes):
            found.append(result)
            meter.give(item)
    assert found == [-size for size in sizes] and order == sizes
    assert meter.most <= max(most_bytes, max(sizes, default=0))


@pytest.mark.parametrize("at", ["first", "second"])
def test_a_failure_on_either_side_of_a_lane_comes_at_its_place(threads, at):
    ended = []

    def first(item):
        if at == "first" and item == 2:
            raise RuntimeError("two")
        time.sleep(0.01)
        ended.append(item)
        return item

    def second(item, made):
        if at == "second" and item == 2:
            raise RuntimeError("two")
        return made

    found = []
    with ThreadPoolExecutor(1) as lane:
        with pytest.raises(RuntimeError, match="two"):
            for item, _ in Ahead(threads, most=4, size_of=lambda _: 0, lane=lane).then(first, second, range(100)):
                found.append(item)
        before = len(ended)
        time.sleep(0.05)
    assert found == [0, 1] and len(ended) == before < 10


def test_without_threads_nothing_is_begun_before_it_is_asked_for():
    begun = []
    results = Ahead(None, most=9, size_of=lambda _: 0)(begun.append, range(3))
    assert begun == []
    next(results)
    assert begun == [0]


def test_a_failure_comes_at_its_place_and_what_was_begun_has_ended(threads):
    ended = []

    def work(item):
        if item == 2:
            raise RuntimeError("two")
        time.sleep(0.02)
        ended.append(item)
        return item

    found = []
    with pytest.raises(RuntimeError, match="two"):
        for item, _ in Ahead(threads, most=4, size_of=lambda _: 0)(work, range(100)):
            found.append(item)
    assert found == [0, 1]
    before = len(ended)
    time.sleep(0.05)
    assert len(ended) == before < 10


def test_whoever_stops_early_leaves_nothing_running(threads):
    running = []

    def work(item):
        running.append(item)
        time.sleep(0.02)
        running.remove(item)
        return item

    results = Ahead(threads, most=4, size_of=lambda _: 0)(work, range(100))
    next(results)
    results.close()
    assert running == []


@given(sizes=st.lists(st.integers(1, 9), max_size=20), most=st.integers(1, 5), most_bytes=st.integers(1, 20))
def test_work_is_taken_over_within_its_bounds(threads, sizes, most, most_bytes):
    meter = Meter()
    behind = Behind(threads, most=most, most_bytes=most_bytes)

    def work(size):
        meter.take(size)
        meter.give(size)
        return -size

    waiting = [behind.do(lambda size=size: work(size), size) for size in sizes]
    assert [result() for result in waiting] == [-size for size in sizes]
    behind.wait()
    assert meter.most <= max(most_bytes, max(sizes, default=0))


def test_without_threads_work_is_done_at_once():
    done = []
    assert Behind(None, most=1).do(lambda: done.append(1) or "result", 10**12)() == "result" and done == [1]


def test_after_a_failure_nothing_more_is_begun(threads):
    behind, begun = Behind(threads, most=2), []

    def fail():
        raise RuntimeError("full")

    behind.do(fail, 1)
    with pytest.raises(RuntimeError, match="full"):
        for number in range(100):
            behind.do(lambda number=number: begun.append(number), 1)
    assert len(begun) < 5
    with pytest.raises(RuntimeError, match="full"):
        behind.wait()


def test_what_is_abandoned_has_ended(threads):
    behind, running = Behind(threads, most=50), []

    def work():
        running.append(1)
        time.sleep(0.02)
        running.pop()

    for _ in range(50):
        behind.do(work, 0)
    behind.abandon()
    assert running == []
    with pytest.raises(RuntimeError, match="given up"):
        behind.do(work, 0)
    assert running == []
