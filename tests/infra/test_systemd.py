import configparser
import re
import shutil
import subprocess

import pytest
from infra_files import INFRA, env_file

FOLDER = INFRA / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))


class _Unit(configparser.RawConfigParser):
    """Units repeat keys; the values are joined, line by line."""

    def __init__(self, text: str):
        # systemd lets a key stand several times in a section.
        super().__init__(strict=False, dict_type=dict)
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read_string(re.sub(r"^Environment=", self._numbered, text, flags=re.MULTILINE))

    _count = 0

    def _numbered(self, _match: "re.Match[str]") -> str:
        self._count += 1
        return f"Environment.{self._count}="

    def environment(self) -> dict[str, str]:
        words = [
            word for key, value in self["Service"].items() if key.startswith("Environment.") for word in value.split()
        ]
        return dict(word.split("=", 1) for word in words)


def unit(path) -> _Unit:
    return _Unit(path.read_text())


def verify(text: str, name: str, folder) -> "subprocess.CompletedProcess[str]":
    """systemd's own check; the programs are not installed here, so another stands for them."""
    path = folder / name
    path.write_text(re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", text, flags=re.MULTILINE))
    return subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_nothing_wrong(path, tmp_path):
    if shutil.which("systemd-analyze") is None:
        assert unit(path)["Unit"]["Description"] and unit(path)["Install"]["WantedBy"] == "multi-user.target"
        return
    result = verify(path.read_text(), path.name, tmp_path)
    assert result.returncode == 0 and not result.stderr, result.stderr
    wrong = verify(path.read_text().replace("NoNewPrivileges=true", "NoNewPrivilege=true"), path.name, tmp_path)
    assert "NoNewPrivilege" in wrong.stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_service_runs_as_its_own_user_and_writes_only_its_own_folder(path):
    service = unit(path)["Service"]
    assert service["User"] == service["Group"] == "oodinv"
    assert service["NoNewPrivileges"] == "true" and service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict" and service["StateDirectory"] == "oodinv"
    home = unit(path).environment()
    assert home["HOME"] == "/var/lib/oodinv" and home["PREFECT_HOME"].startswith("/var/lib/oodinv/")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_secrets_are_in_a_file_that_has_an_example(path):
    name = unit(path)["Service"]["EnvironmentFile"]
    assert name.startswith("/etc/oodinv/")
    example = env_file(FOLDER / f"{name.rpartition('/')[2]}.example")
    assert any("AUTH_STRING" in key for key in example)
    assert not any("AUTH" in key or "SECRET" in key for key in unit(path).environment())


def test_server_and_worker_meet_on_loopback_with_one_password():
    server, worker = (unit(FOLDER / f"oodinv-prefect-{name}.service") for name in ("server", "worker"))
    listens = server.environment()
    assert listens["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert worker.environment()["PREFECT_API_URL"] == f"http://127.0.0.1:{listens['PREFECT_SERVER_API_PORT']}/api"
    passwords = env_file(FOLDER / "server.env.example") | env_file(FOLDER / "worker.env.example")
    assert passwords["PREFECT_SERVER_API_AUTH_STRING"] == passwords["PREFECT_API_AUTH_STRING"]


def test_the_server_writes_its_pages_where_it_may():
    environment = unit(FOLDER / "oodinv-prefect-server.service").environment()
    assert environment["PREFECT_SERVER_UI_STATIC_DIRECTORY"].startswith("/var/lib/oodinv/")


def test_a_stop_leaves_runs_that_will_be_resumed():
    service = unit(FOLDER / "oodinv-prefect-worker.service")["Service"]
    assert service["KillMode"] == "mixed" and service["Restart"] == "on-failure"
