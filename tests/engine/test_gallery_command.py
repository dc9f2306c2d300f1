"""`oodinv gallery`: a folder or a private bucket in, one file out."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from s3_servers import give_credentials, moto_server
from shard_runs import make_settings, read_rows, run_shards

from flows.cli import main
from oodinv.engine.gallery import dataset_gallery
from oodinv.ledger import sample_id
from oodinv.store import Access, open_store


@pytest.fixture(scope="module")
def dataset(small_photos, tiny_bundle, tmp_path_factory):
    """A folder with one edit and one previewed photo."""
    folder = tmp_path_factory.mktemp("command") / "holiday"
    settings = make_settings(small_photos, folder, tiny_bundle, previews=[sample_id("portrait.jpg")])
    run_shards(settings)
    read_rows(settings)  # publishes the snapshot
    return folder


def oodinv(*arguments):
    return CliRunner().invoke(main, ["gallery", *map(str, arguments)])


def test_the_page_is_written_and_its_size_said(dataset, tmp_path):
    out = tmp_path / "new" / "page.html"
    result = oodinv(dataset, "-o", out)
    assert (result.exit_code, result.output) == (0, f"{out}: {out.stat().st_size / 1e6:.1f} MB\n")
    assert out.read_bytes() == dataset_gallery(open_store(str(dataset))).encode()
    assert b"portrait.jpg" in out.read_bytes()


def test_the_same_command_writes_the_same_bytes(dataset, tmp_path):
    for name in ("a.html", "b.html"):
        oodinv(dataset, "-o", tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_private_bucket_gives_the_same_page_as_the_folder(dataset, tmp_path, monkeypatch):
    folder = open_store(str(dataset))
    with moto_server() as server:
        give_credentials(monkeypatch, server)
        uri = server.bucket("gallery") + "/holiday"
        bucket = open_store(uri, Access(endpoint_url=server.endpoint_url))
        for info in folder.list():
            bucket.put(info.key, folder.get(info.key))
        result = oodinv(uri, "-o", tmp_path / "page.html", "--endpoint-url", server.endpoint_url)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text()
    assert page == dataset_gallery(folder)
    assert server.endpoint_url not in page and server.access_key not in page and "X-Amz" not in page


def test_what_is_no_dataset_is_the_users_mistake(tmp_path):
    result = oodinv(tmp_path, "-o", tmp_path / "page.html")
    assert result.exit_code == 2 and "this is not a dataset yet" in result.output
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_cannot_be_written_is_the_users_mistake(dataset, tmp_path):
    (tmp_path / "file").touch()
    result = oodinv(dataset, "-o", tmp_path / "file" / "page.html")
    assert result.exit_code == 2 and "cannot be written" in result.output and "name another" in result.output


def test_the_command_loads_no_model_and_no_orchestrator():
    heavy = {"torch", "prefect", "ray", "boto3"}
    code = f"import sys, flows.cli, oodinv.engine.gallery; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
