"""Bundles in a bucket."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
import torch
from s3_servers import error_answer, give_credentials, moto_server, proxy

from oodinv.bundles.bundle import find_bundle, load_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.bundles.spec import BundleError
from oodinv.store import Access
from oodinv.store.cache import cache_folder

BUCKET, URI = "bundles", "s3://bundles/tiny/v1"


@pytest.fixture(scope="module")
def moto():
    with moto_server() as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture
def server(moto, tiny_bundle, tmp_path, monkeypatch):
    """Holds the tiny bundle, whole."""
    give_credentials(monkeypatch, moto)
    monkeypatch.setenv("OODINV_CACHE", str(tmp_path / "cache"))
    for path in tiny_bundle.iterdir():
        put(moto, path.name, path.read_bytes())
    with proxy(moto) as before:
        yield before


@pytest.fixture
def access(server):
    return Access(endpoint_url=server.endpoint_url)


def put(moto, name, data):
    moto.client().put_object(Bucket=BUCKET, Key=f"tiny/v1/{name}", Body=data)


def asked(server):
    names = [request.path.rpartition("/")[2] for request in server.seen]
    server.seen.clear()
    return names


def test_it_is_the_same_bundle_as_in_a_folder(access, tiny_bundle):
    here, there = load_bundle(str(tiny_bundle)), load_bundle(URI, access)
    assert there.bundle.sha256 == here.bundle.sha256
    assert torch.equal(there.model.generator.constant, here.model.generator.constant)
    assert (there.bundle.folder / "card.md").read_text() == (tiny_bundle / "card.md").read_text()
    assert Inverter.from_bundle(URI, access=access).resolution == here.bundle.spec.resolution


def test_a_second_run_fetches_no_weights(server, access, tiny_bundle):
    found = find_bundle(URI, access)
    assert found.folder == cache_folder() / "bundles" / found.sha256
    assert sorted(asked(server)) == sorted(path.name for path in tiny_bundle.iterdir())
    assert find_bundle(URI + "/", access) == found
    assert asked(server) == ["bundle.json"]


def test_a_damaged_or_missing_file_of_the_cache_is_fetched_again(server, access):
    folder = find_bundle(URI, access).folder
    (folder / "encoder.safetensors").write_bytes(b"cut off")
    (folder / "directions.safetensors").unlink()
    asked(server)
    load_bundle(URI, access)
    assert sorted(asked(server)) == ["bundle.json", "directions.safetensors", "encoder.safetensors"]


def test_a_changed_bundle_gets_a_folder_of_its_own(moto, server, access, tiny_bundle):
    old = find_bundle(URI, access)
    content = json.loads((tiny_bundle / "bundle.json").read_text()) | {"version": "2"}
    put(moto, "bundle.json", json.dumps(content).encode())
    new = find_bundle(URI, access)
    assert (new.spec.version, new.sha256) == ("2", sha256(json.dumps(content).encode()).hexdigest())
    assert old.folder != new.folder
    assert old.folder.is_dir()


def test_many_at_once_get_whole_files(server, access):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: load_bundle(URI, access).bundle.folder, range(8)))
    (folder,) = folders
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_file_with_another_hash_is_refused_and_not_kept(moto, server, access):
    put(moto, "encoder.safetensors", b"half")
    with pytest.raises(BundleError, match=r"encoder.safetensors has sha256 .* half uploaded, upload it again"):
        find_bundle(URI, access)
    assert not list(cache_folder().glob("bundles/*/encoder.safetensors"))
    assert not list(cache_folder().glob("bundles/*/bundle.json"))


def test_a_bundle_without_a_card_is_a_bundle(moto, server, access):
    moto.client().delete_object(Bucket=BUCKET, Key="tiny/v1/card.md")
    assert not (find_bundle(URI, access).folder / "card.md").exists()


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("s3://bundles/other", "no bundle at s3://bundles/other: bundle.json is missing there"),
        ("s3://nothing-here/tiny", "there is no bucket 'nothing-here'"),
        ("s3://bundles/tiny?x=1", "with a query"),
    ],
)
def test_what_is_no_bundle_is_refused_with_the_reason(access, uri, text):
    with pytest.raises(BundleError, match=text):
        find_bundle(uri, access)


def test_a_missing_weights_file_is_named(moto, server, access):
    moto.client().delete_object(Bucket=BUCKET, Key="tiny/v1/generator.safetensors")
    with pytest.raises(BundleError, match=r"generator.safetensors is missing there"):
        find_bundle(URI, access)


def test_a_missing_right_is_named(server, access):
    server.tamper = lambda request, forward: error_answer(403, "AccessDenied")
    with pytest.raises(BundleError, match=r"the bundle at s3://bundles/tiny/v1 cannot be read: no right to read"):
        find_bundle(URI, access)


@pytest.mark.parametrize("raw", [b"no JSON", b"{}", b" " * (2**20 + 1)])
def test_something_else_named_bundle_json_is_refused_before_any_weights(moto, server, access, raw):
    put(moto, "bundle.json", raw)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        find_bundle(URI, access)
    assert asked(server) == ["bundle.json"]


def test_a_cache_that_cannot_be_written_is_named(server, access, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("OODINV_CACHE", str(tmp_path / "file"))
    with pytest.raises(BundleError, match=r"cannot be kept in .*/file: .*name another folder in OODINV_CACHE"):
        find_bundle(URI, access)


def test_the_cache_is_in_the_home_folder_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OODINV_CACHE", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "oodinv"


def test_a_file_that_cannot_be_replaced_leaves_no_temporary_one(server, access, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BundleError, match="No space left on device"):
        find_bundle(URI, access)
    assert not [path for path in cache_folder().rglob("*") if stat.S_ISREG(path.stat().st_mode)]
