import pytest
from commands import Oodinv


@pytest.fixture(scope="session")
def oodinv(tmp_path_factory) -> Oodinv:
    """The command line, with one orchestrator database for all tests."""
    folder = tmp_path_factory.mktemp("commands")
    return Oodinv(prefect_home=folder / "prefect", folder=folder)
