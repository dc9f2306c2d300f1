import pytest

from oodinv.faces import load_detector
from oodinv.portraits import NoOffscreenGl, Studio


@pytest.fixture(scope="session")
def studio():
    try:
        return Studio()
    except NoOffscreenGl as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def detector():
    return load_detector("centerface")
