import fcntl
import os

import pytest

from oodinv.faces import load_detector
from oodinv.portraits import NoOffscreenGl, Studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    # Anny's first user on a machine writes a cache into the home folder; a second worker must not read it half-written.
    between_workers = tmp_path_factory.getbasetemp().parent
    try:
        with open(between_workers / "studio.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return Studio()
    except NoOffscreenGl as error:
        # A machine without OpenGL can still run the other rooms; where CI has installed it, its absence is a failure.
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def detector():
    return load_detector("centerface")
