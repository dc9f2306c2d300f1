import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is loaded, here and in processes that tests start: two threads that wait for one busy processor make the
# tiny networks a hundred times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before Prefect is loaded: what it keeps is neither the user's own nor that of another worker.
_prefect_home = tempfile.TemporaryDirectory(prefix="oodinv-tests-")
os.environ["PREFECT_HOME"] = _prefect_home.name
os.environ["DO_NOT_TRACK"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "support"))

# An example that is slow beside a busy neighbour is no bug.
settings.register_profile("oodinv", deadline=None)
settings.load_profile("oodinv")

_LONGEST = ("flows", "cluster", "engine", "ledger", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders whose files take longest first, so that of several workers none begins a long one at the very end."""
    ranks = {name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """A bundle of the smallest possible networks with random weights. Read-only: copy it to change it."""
    from tiny_bundle import write_tiny_bundle  # loads torch, which a process that only hands out tests can do without

    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory) -> Path:
    """Four small photos: one face, one face in another format, three faces, nobody. Read-only."""
    from example_photos import write_small_photos

    return write_small_photos(tmp_path_factory.mktemp("photos"))
