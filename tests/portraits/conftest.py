import os

import pytest

from oodinv.faces import load_detector
from oodinv.portraits import NoOffscreenGl, Studio


@pytest.fixture(scope="session")
def studio():
    try:
        return Studio()
    except NoOffscreenGl as error:
        # A machine without OpenGL can still run the other rooms; where CI has installed it, its absence is a failure.
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def detector():
    return load_detector("centerface")
