import importlib.util
import os
import shutil
import stat
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from infra_files import INFRA, env_file, example_environment
from moto import mock_aws

SCRIPTS = sorted(INFRA.rglob("*.sh"))
NOT_SECRET = {
    "OODINV_SOURCE", "OODINV_TARGET", "RAY_WORKER_CPUS", "RAY_WORKER_MEMORY", "RAY_WORKER_GPUS", "TORCH_INDEX_URL",
}  # fmt: skip


@pytest.fixture
def create_bucket(monkeypatch):
    path = INFRA / "compose" / "create_buckets.py"
    spec = importlib.util.spec_from_file_location("create_buckets", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return module.create_bucket


@pytest.fixture
def compose_folder(tmp_path):
    for name in ("new_env.sh", ".env.example"):
        shutil.copy(INFRA / "compose" / name, tmp_path / name)
    return tmp_path


def new_env(folder):
    return subprocess.run(["bash", str(folder / "new_env.sh")], capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_script_that_stops_at_errors(script):
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert "set -euo pipefail" in script.read_text()
    assert os.access(script, os.X_OK)


def test_a_broken_script_is_found(tmp_path):
    broken = tmp_path / "broken.sh"
    broken.write_text(SCRIPTS[0].read_text().replace("\nfi", "\n", 1))
    assert subprocess.run(["bash", "-n", str(broken)], capture_output=True).returncode != 0


def test_new_secrets_are_random_and_for_their_owner_only(compose_folder):
    assert new_env(compose_folder).returncode == 0
    path = compose_folder / ".env"
    first, example = env_file(path), example_environment()
    assert set(first) == set(example)
    assert {name for name in first if first[name] == example[name]} == NOT_SECRET
    assert "example" not in path.read_text().lower().replace("s3://", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    assert new_env(compose_folder).returncode == 0
    second = env_file(path)
    assert all(first[name] != second[name] for name in set(first) - NOT_SECRET)


def test_secrets_that_exist_are_not_replaced(compose_folder):
    assert new_env(compose_folder).returncode == 0
    before = (compose_folder / ".env").read_text()
    again = new_env(compose_folder)
    assert again.returncode == 2 and "expected no .env" in again.stderr
    assert (compose_folder / ".env").read_text() == before


def test_buckets_are_created_once(create_bucket):
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        create_bucket(client, "photos")
        create_bucket(client, "photos")
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["photos"]


class Store:
    """Answers with the errors it is given, then takes the bucket."""

    def __init__(self, *errors: Exception):
        self.errors, self.asked = list(errors), 0

    def create_bucket(self, Bucket):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)


def refusal(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateBucket")


def test_a_store_that_is_still_starting_is_waited_for(create_bucket):
    store = Store(EndpointConnectionError(endpoint_url="http://s3:8333"), refusal("InternalError", 500))
    create_bucket(store, "photos")
    assert store.asked == 3


def test_a_refusal_is_an_error_at_once(create_bucket):
    store = Store(refusal("AccessDenied", 403))
    with pytest.raises(ClientError, match="AccessDenied"):
        create_bucket(store, "photos")
    assert store.asked == 1
