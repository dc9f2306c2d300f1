from collections.abc import Iterator

import pytest
from commands import Oodinv
from prefect_server import PrefectServer, prefect_server


@pytest.fixture(scope="session")
def orchestrator(tmp_path_factory) -> Iterator[PrefectServer]:
    """One Prefect server for all runs that do not need their own."""
    with prefect_server(tmp_path_factory.mktemp("orchestrator")) as server:
        yield server


@pytest.fixture(scope="session")
def oodinv(orchestrator, tmp_path_factory) -> Oodinv:
    """The command line, with that server."""
    home = orchestrator.folder / "prefect"
    return Oodinv(prefect_home=home, folder=tmp_path_factory.mktemp("commands"), api=f"{orchestrator.url}/api")


@pytest.fixture(scope="session")
def oodinv_alone(tmp_path_factory) -> Oodinv:
    """The command line by itself: each run starts an orchestrator, as on a machine where nobody has set one up."""
    folder = tmp_path_factory.mktemp("alone")
    return Oodinv(prefect_home=folder / "prefect", folder=folder)
