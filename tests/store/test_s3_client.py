import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError

from oodinv.store import LocationError
from oodinv.store.s3_client import client_for, server_name

pytestmark = pytest.mark.usefixtures("credentials")


def style(client):
    return (client.meta.config.s3 or {}).get("addressing_style")


def test_all_threads_of_a_process_share_one_client_of_a_server():
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(client_for, ["http://one.invalid"] * 16))
    assert len(clients) == 1
    assert client_for("http://two.invalid") not in clients


def test_a_changed_environment_gets_a_new_client(monkeypatch):
    before = client_for("http://one.invalid")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another")
    assert client_for("http://one.invalid") is not before
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert client_for("http://one.invalid") is before


def test_a_forked_child_makes_its_own_client_even_when_the_parent_was_making_one():
    code = """
import os
from oodinv.store import s3_client
before = s3_client.client_for("http://one.invalid")
with s3_client._lock:
    child = os.fork()
    if child == 0:
        os._exit(s3_client.client_for("http://one.invalid") is before)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_other_servers_than_aws_are_addressed_by_path(monkeypatch, tmp_path):
    assert style(client_for(None)) is None
    assert style(client_for("http://one.invalid")) == "path"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://two.invalid")
    assert style(client_for(None)) == "path"
    (tmp_path / "config").write_text(
        "[default]\nendpoint_url = http://three.invalid\ns3 =\n  addressing_style = virtual\n"
    )
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert client_for(None).meta.endpoint_url == "http://three.invalid"
    assert style(client_for(None)) == "virtual"


def test_a_server_is_named_by_its_address_and_amazons_by_name(monkeypatch):
    assert server_name(None) == "AWS"
    assert server_name("http://one.invalid") == "http://one.invalid"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://two.invalid")
    assert server_name(None) == "http://two.invalid"


def test_an_endpoint_of_the_environment_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(LocationError, match=r"the endpoint in AWS_ENDPOINT_URL.*is no URL"):
        client_for(None)


def test_a_region_that_is_none_is_the_clients_own_error(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "no region/")
    with pytest.raises(BotoCoreError):
        client_for(None)


def test_nothing_of_the_environment_is_kept_in_the_clear():
    from oodinv.store import s3_client

    client_for("http://one.invalid")
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in repr(list(s3_client._clients))
