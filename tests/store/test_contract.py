"""What every store for results does: a folder, moto, and a real S3 server."""

import pickle
import threading

import pytest

from oodinv.store import Access, ObjectMissing, Store, open_store

KEYS = ["a-b/x", "a.x", "a/b-c/x", "a/b/c", "a/b/d", "a0", "b", "latest.json"]


@pytest.fixture(params=["folder", "moto", "seaweed"])
def access(request) -> Access:
    if request.param == "folder":
        return Access()
    request.getfixturevalue("credentials")
    return Access(endpoint_url=request.getfixturevalue(request.param).endpoint_url)


@pytest.fixture
def store(access, new_place, tmp_path) -> Store:
    return open_store(new_place.uri if access.endpoint_url else str(tmp_path / "target"), access)


def keys(store, prefix=""):
    return [info.key for info in store.list(prefix)]


def test_what_was_put_comes_back_whole(store):
    store.put("a/b.bin", b"one")
    store.put("a/b.bin", bytes(range(256)) * 1000)
    assert store.get("a/b.bin") == bytes(range(256)) * 1000
    assert isinstance(store, Store)


def test_an_empty_object_is_an_object(store):
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert store.head("empty").size == 0


def test_listing_head_and_fetch_tell_the_same_of_an_object(store):
    store.put("a", b"12345")
    (info,) = store.list()
    assert store.head("a") == info
    assert store.fetch("a", 5) == (info, b"12345")
    assert (info.key, info.size) == ("a", 5)
    assert info.etag.strip('"') == info.etag != ""


def test_a_changed_object_has_another_etag(store):
    store.put("a", b"old")
    before = store.head("a").etag
    store.put("a", b"new!")
    assert store.head("a").etag != before


def test_an_object_over_the_limit_is_not_read(store):
    store.put("a", b"12345")
    info, data = store.fetch("a", 4)
    assert (info.size, data) == (5, None)


def test_create_writes_once(store):
    assert store.create("a", b"first") is True
    assert store.create("a", b"second") is False
    assert store.get("a") == b"first"


def test_of_sixteen_threads_that_create_one_key_one_wins(store):
    start = threading.Barrier(16)
    won, failed = [], []

    def race(number):
        start.wait()
        try:
            if store.create("race", bytes([number]) * 1000):
                won.append(number)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(won) == 1
    assert store.get("race") == bytes(won) * 1000


def test_a_listing_is_sorted_by_key_and_filtered_by_prefix(store):
    for key in reversed(KEYS):
        store.put(key, b"x")
    assert keys(store) == sorted(KEYS)
    for prefix in ("a", "a/", "a/b", "a/b/", "a-", "nothing"):
        assert keys(store, prefix) == sorted(key for key in KEYS if key.startswith(prefix))


def test_folders_are_the_names_before_the_next_slash(store):
    for key in KEYS:
        store.put(key, b"x")
    assert store.folders() == ("a", "a-b")
    assert store.folders("a/") == ("b", "b-c")
    assert store.folders("nothing/") == ()


def test_a_store_without_objects_is_empty(store):
    assert keys(store) == []
    assert store.folders() == ()
    for read in (store.get, store.head, lambda key: store.fetch(key, 10)):
        with pytest.raises(ObjectMissing, match="no object 'a/b' in "):
            read("a/b")
    store.delete("a/b")


def test_delete_removes_and_may_be_repeated(store):
    store.put("a", b"x")
    store.delete("a")
    store.delete("a")
    assert keys(store) == []


def test_a_key_that_leads_out_is_refused_by_every_method(store):
    acts = (store.get, store.head, store.delete, lambda k: store.put(k, b""), lambda k: store.create(k, b""))
    for act in (*acts, lambda k: store.fetch(k, 1)):
        with pytest.raises(ValueError, match="bad object key"):
            act("../x")


def test_a_store_travels_to_another_process_and_opens_again_by_its_uri(store, access):
    store.put("a", b"x")
    # Stores travel to workers this way; only what this test itself wrote is unpickled.
    assert pickle.loads(pickle.dumps(store)).get("a") == b"x"
    assert open_store(store.uri, access) == store


def test_reads_and_writes_are_counted_where_they_are_billed(store, access):
    store.put("a", b"x")
    store.create("b", b"x")
    store.get("a")
    store.head("a")
    list(store.list())
    store.delete("a")
    assert store.requests() == ({} if access.endpoint_url is None else {"read": 2, "write": 3})
