import os
import sys
from pathlib import Path

import pytest

# Before torch is loaded, here and in processes that tests start: two threads that wait for one busy processor make the
# tiny networks a hundred times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "support"))

from example_photos import write_small_photos
from tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """A bundle of the smallest possible networks with random weights. Read-only: copy it to change it."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory) -> Path:
    """Four small photos: one face, one face in another format, three faces, nobody. Read-only."""
    return write_small_photos(tmp_path_factory.mktemp("photos"))
