import pytest

from oodinv.ledger import numbered


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Stores in memory and in folders answer as well at once as later."""
    monkeypatch.setattr(numbered, "_LONGEST_PAUSE_S", 0.0)
