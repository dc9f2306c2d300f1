import logging
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oodinv.engine.microbatch import Microbatch, default_microbatch, is_out_of_memory

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.cuda.OutOfMemoryError("HIP out of memory"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


class Networks:
    """Squares numbers, at most `room` at once."""

    def __init__(self, room, error=OUT_OF_MEMORY[0]):
        self.room, self.error = room, error
        self.sizes, self.done = [], []

    def __call__(self, items):
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self.error
        self.done += items
        return [item**2 for item in items]


@given(st.integers(0, 70), st.integers(1, 40), st.integers(1, 40))
def test_every_item_is_done_once_and_in_order_whatever_the_size_and_the_room(count, size, room):
    networks, microbatch = Networks(room), Microbatch(size)
    items = list(range(count))
    assert microbatch(networks, items) == [item**2 for item in items]
    assert networks.done == items
    failures = sum(tried > room for tried in networks.sizes)
    assert all(tried <= size for tried in networks.sizes)
    # Halving needs no more failures than the size has binary digits, and does not go below half of the room.
    assert failures <= size.bit_length()
    assert microbatch.size == size if not failures else microbatch.size <= room


@given(st.integers(2, 40), st.integers(1, 39))
def test_the_smaller_size_is_remembered_and_no_call_fails_twice(size, room):
    networks, microbatch = Networks(room), Microbatch(size)
    microbatch(networks, list(range(size)))
    learnt = microbatch.size
    networks.sizes.clear()
    microbatch(networks, list(range(3 * size)))
    assert max(networks.sizes) == learnt == microbatch.size <= room


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 20))
def test_an_item_that_does_not_fit_alone_raises_its_own_failure_and_costs_no_other_its_turn(giants, size):
    """As the stage does: what the group cannot do together is done one by one."""

    def call(items):
        if any(giants[item] for item in items):
            raise torch.OutOfMemoryError(f"item {items[0]}")
        return items

    microbatch, items = Microbatch(size), list(range(len(giants)))
    if not any(giants):
        assert microbatch(call, items) == items
        return
    with pytest.raises(torch.OutOfMemoryError, match=f"item {giants.index(True)}"):
        microbatch(call, items)
    for item in items:
        if giants[item]:
            with pytest.raises(torch.OutOfMemoryError, match=f"item {item}"):
                microbatch(call, [item])
        else:
            assert microbatch(call, [item]) == [item]


def test_shrinking_is_one_line_in_the_log(caplog):
    with caplog.at_level(logging.INFO):
        Microbatch(8)(Networks(3), list(range(20)))
    assert [record.message for record in caplog.records] == [
        "out of memory with 8 faces at once; from here on at most 4",
        "out of memory with 4 faces at once; from here on at most 2",
    ]


def test_a_short_last_chunk_is_halved_from_its_own_length():
    networks, microbatch = Networks(2), Microbatch(16)
    microbatch(networks, [1, 2, 3])
    assert networks.sizes == [3, 2, 1] and microbatch.size == 2


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20])
def test_every_way_to_say_that_memory_ran_out_is_understood(error):
    assert is_out_of_memory(error)
    assert Microbatch(4)(Networks(2, error), [1, 2, 3, 4]) == [1, 4, 9, 16]


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("out of memory"), MemoryError("out of memory"), KeyError("x")]
)
def test_any_other_exception_passes_at_once(error):
    networks, microbatch = Networks(2, error), Microbatch(4)
    with pytest.raises(type(error)):
        microbatch(networks, [1, 2, 3, 4])
    assert networks.sizes == [4] and microbatch.size == 4


def test_what_the_failed_call_held_is_free_before_the_items_are_tried_again():
    alive, seen = weakref.WeakSet(), []

    def call(items):
        seen.append(len(alive))
        activations = torch.zeros(4)  # in a frame that the exception's traceback keeps
        alive.add(activations)
        if len(items) > 1:
            raise torch.OutOfMemoryError
        return items

    assert Microbatch(4)(call, [1, 2]) == [1, 2]
    assert seen == [0, 0, 0]


@pytest.mark.parametrize("initialised", [True, False])
def test_a_gpus_cache_is_emptied_for_each_halving_and_a_gpu_that_is_not_used_stays_so(monkeypatch, initialised):
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialised)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    Microbatch(8)(Networks(2), list(range(8)))
    assert len(emptied) == (2 if initialised else 0)


def test_a_call_that_loses_a_result_is_refused():
    with pytest.raises(ValueError, match="expected a result for each of 2 items, got 1"):
        Microbatch(4)(lambda items: items[:1], [1, 2])


def test_a_microbatch_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Microbatch(0)


@pytest.mark.parametrize(("device", "size"), [("cpu", 1), ("cuda", 16), ("cuda:1", 16)])
def test_a_cpu_takes_one_face_for_each_call_and_a_gpu_sixteen(device, size):
    assert default_microbatch(device) == size
