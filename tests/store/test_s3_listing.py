"""Listings of many pages: the order of keys, whatever the server's, and no more work than the reader asks for."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import wait_for

from oodinv.store import Access, ObjectInfo, StoreError
from oodinv.store import s3_objects as s3_objects_module
from oodinv.store.s3 import S3Store
from oodinv.store.s3_listing import Page, listed
from oodinv.store.s3_photos import S3Photos

TROUBLESOME = ["a", "a!", "a-b", "a.x", "a/b", "a/b-c", "a/b/c", "a/b/d", "a/c", "a0", "b/c", "b-/x", "b/c-d/e", "ü/🙂"]


class Server:
    """Pages of ``size`` entries; in the order of keys, or folder by folder."""

    def __init__(self, keys, *, size, by_name):
        order = (lambda key: key.split("/")) if by_name else (lambda key: key)
        self.keys = sorted(keys, key=order)
        self.size = size
        self.asked = []
        self.lock = threading.Lock()

    def fetch(self, prefix: str, token: str | None, by_folder: bool) -> Page:
        with self.lock:
            self.asked.append((prefix, token, by_folder))
        entries = [key for key in self.keys if key.startswith(prefix)]
        if by_folder:
            entries = list(dict.fromkeys(self.shown(key, prefix) for key in entries))
        start = int(token or 0)
        shown = entries[start : start + self.size]
        folders = [name for name in shown if by_folder and name.endswith("/")]
        return Page(
            objects=tuple(ObjectInfo(key=key, size=1, etag="e") for key in shown if key not in folders),
            folders=tuple(folders),
            token=str(start + self.size) if start + self.size < len(entries) else None,
        )

    def shown(self, key, prefix):
        name, slash, _ = key[len(prefix) :].partition("/")
        return prefix + name + slash


def keys(server: Server, prefix: str = "") -> list[str]:
    return [info.key for info in listed(server.fetch, prefix, "s3://b")]


part = st.text("ab!-./0", min_size=1, max_size=4).filter(lambda text: "//" not in text and text.strip("/") == text)


@settings(max_examples=300, deadline=None)
@given(st.sets(part, max_size=40), st.integers(1, 7), st.booleans(), st.text("ab/-", max_size=2))
def test_both_orders_of_servers_become_the_order_of_keys(wanted, size, by_name, prefix):
    server = Server(wanted, size=size, by_name=by_name)
    assert keys(server, prefix) == sorted(key for key in wanted if key.startswith(prefix))


@pytest.mark.parametrize("by_name", [True, False])
def test_a_large_tree_comes_whole_and_sorted_through_the_threads(by_name):
    wanted = {
        f"{top}{mark}{folder}/{number}.jpg"
        for top in "ab"
        for mark in "-/"
        for folder in range(40)
        for number in range(25)
    }
    server = Server(wanted, size=10, by_name=by_name)
    assert keys(server) == sorted(wanted)


def test_one_page_is_one_request():
    server = Server(["a/b", "c"], size=10, by_name=True)
    assert keys(server) == ["a/b", "c"]
    assert server.asked == [("", None, False)]


def test_a_reader_of_the_first_objects_costs_one_request():
    server = Server([f"{number:05d}.jpg" for number in range(5000)], size=100, by_name=False)
    objects = listed(server.fetch, "", "s3://b")
    assert next(objects).key == "00000.jpg"
    assert len(server.asked) == 1


def test_a_slow_reader_is_not_run_away_from():
    wanted = sorted(f"{folder:03d}/{number:03d}" for folder in range(30) for number in range(200))
    server = Server(wanted, size=10, by_name=False)
    objects = listed(server.fetch, "", "s3://b")
    for _ in range(11):
        next(objects)
    wait_for(lambda: len(server.asked) > 20)
    settled, before = 0, -1
    while settled != before:
        before = settled
        time.sleep(0.2)
        settled = len(server.asked)
    assert 20 < settled < 60  # eight threads, each four pages ahead; all are 600
    objects.close()
    assert [info.key for info in listed(server.fetch, "", "s3://b")] == wanted


def test_threads_end_when_the_reader_gives_up():
    server = Server(
        [f"{folder:03d}/{number:03d}" for folder in range(30) for number in range(100)], size=10, by_name=False
    )
    objects = listed(server.fetch, "", "s3://b")
    for _ in range(50):
        next(objects)
    objects.close()
    assert_no_listing_thread()


def assert_no_listing_thread():
    end = time.monotonic() + 5
    while any(thread.name == "s3-listing" for thread in threading.enumerate()):
        assert time.monotonic() < end, "a listing thread goes on"
        time.sleep(0.01)


def test_a_page_that_fails_in_a_thread_fails_the_listing():
    server = Server(
        [f"{folder:03d}/{number:03d}" for folder in range(35) for number in range(20)], size=10, by_name=False
    )

    def fetch(prefix: str, token: str | None, by_folder: bool) -> Page:
        if prefix == "030/":
            raise StoreError("the bucket is gone")
        return server.fetch(prefix, token, by_folder)

    found = []
    with pytest.raises(StoreError, match="the bucket is gone"):
        for info in listed(fetch, "", "s3://b"):
            found.append(info.key)
    assert found[-1] == "029/019"
    assert_no_listing_thread()


def test_a_server_of_neither_order_is_refused_and_not_believed():
    for total, after in ((30, 24), (300, 299)):  # few enough to be sorted here; and too many
        server = Server([f"{number:03d}.jpg" for number in range(total)], size=10, by_name=False)
        server.keys = server.keys[15:] + server.keys[:15]
        with pytest.raises(StoreError, match=rf"in no known order \('000.jpg' after '{after:03d}.jpg'\)"):
            keys(server)


def test_an_object_written_during_the_listing_is_left_for_the_next():
    server = Server([f"{number:03d}.jpg" for number in range(100)], size=10, by_name=False)
    objects = listed(server.fetch, "", "s3://b")
    found = [next(objects).key for _ in range(10)]
    server.keys = sorted([*server.keys, "0005.jpg"])
    assert found + [info.key for info in objects] == [f"{number:03d}.jpg" for number in range(100)]


@pytest.fixture(params=["moto", "seaweed"])
def store(request, credentials, new_place) -> Iterator[S3Store]:
    server = request.getfixturevalue(request.param)
    yield S3Store(place=new_place, access=Access(endpoint_url=server.endpoint_url))


@pytest.mark.parametrize("page_size", [1000, 3])
def test_real_servers_list_troublesome_names_in_the_order_of_keys(store, request, monkeypatch, page_size):
    photos = S3Photos(place=store.place, access=store.access)
    client = request.getfixturevalue(request.node.callspec.params["store"]).client()
    for key in TROUBLESOME:
        client.put_object(Bucket=store.place.bucket, Key=store.place.prefix + key, Body=key.encode())
    monkeypatch.setattr(s3_objects_module, "PAGE_SIZE", page_size)
    found = [info.key for info in photos.list()]
    assert found == sorted(TROUBLESOME)
    assert [photos.get(key).decode() for key in found] == found
    assert [info.key for info in photos.list("a")] == sorted(key for key in TROUBLESOME if key.startswith("a"))
    assert photos.folders() == ("a", "b", "b-", "ü")
    assert photos.folders("b/") == ("c-d",)


def test_the_real_server_that_walks_folders_is_one(seaweed, credentials, new_place):
    """Else the test above would show nothing: SeaweedFS itself does not list in the order of keys."""
    client = seaweed.client()
    for key in ("a-b", "a/b"):
        client.put_object(Bucket=new_place.bucket, Key=new_place.prefix + key, Body=b"x")
    found = client.list_objects_v2(Bucket=new_place.bucket, Prefix=new_place.prefix)["Contents"]
    assert [item["Key"].removeprefix(new_place.prefix) for item in found] == ["a/b", "a-b"]


def test_foreign_objects_of_a_target_are_not_listed(store, request):
    client = request.getfixturevalue(request.node.callspec.params["store"]).client()
    for key in ("ours", ".hidden", "my notes.txt", "a/.tmp/x"):
        client.put_object(Bucket=store.place.bucket, Key=store.place.prefix + key, Body=b"x")
    assert [info.key for info in store.list()] == ["ours"]
    assert store.folders() == ("a",)
