import pytest
from memory_store import MemoryStore

from oodinv.ledger.numbered import create_until_known
from oodinv.store import OutcomeUnknown


@pytest.fixture(autouse=True)
def no_pauses():
    """Here they are what is tested; nobody waits."""


class Mute(MemoryStore):
    """Gives no answer to the first few writes, which get lost."""

    def __init__(self, silent):
        super().__init__()
        self.silent, self.calls = silent, 0

    def create(self, key, data):
        self.calls += 1
        if self.calls <= self.silent:
            raise OutcomeUnknown("no answer")
        return super().create(key, data)


def test_pauses_grow_and_stay_short():
    pauses = []
    store = Mute(silent=9)
    assert create_until_known(store, "a", b"x", pause=pauses.append) is True
    assert pauses == sorted(pauses)
    assert (len(pauses), pauses[-1]) == (9, 2.0)
    assert pauses[0] < 0.5


def test_an_answer_at_once_needs_no_pause():
    create_until_known(Mute(silent=0), "a", b"x", pause=lambda _: pytest.fail("waited"))


def test_ten_times_without_an_answer_is_told():
    store = Mute(silent=99)
    with pytest.raises(OutcomeUnknown):
        create_until_known(store, "a", b"x", pause=lambda _: None)
    assert store.calls == 10
