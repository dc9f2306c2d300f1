import errno
import os
import pickle
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.store import FolderStore, ObjectMissing, Store, StoreError, open_store


@pytest.fixture
def store(tmp_path):
    return FolderStore(root=tmp_path / "target")


def keys(store, prefix=""):
    return [info.key for info in store.list(prefix)]


def leftovers(store):
    folder = store.root / ".tmp"
    return list(folder.iterdir()) if folder.exists() else []


def test_what_was_put_comes_back(store):
    store.put("a/b.bin", b"one")
    store.put("a/b.bin", b"three")
    assert store.get("a/b.bin") == b"three"
    assert store.head("a/b.bin").size == 5
    assert keys(store) == ["a/b.bin"]
    assert isinstance(store, Store)


def test_create_writes_once(store):
    assert store.create("a", b"first") is True
    assert store.create("a", b"second") is False
    assert store.get("a") == b"first"
    assert leftovers(store) == []


def test_of_eight_threads_that_create_one_key_one_wins(store):
    for round_number in range(20):
        start = threading.Barrier(8)
        won = []

        def race(number, key=f"race/{round_number}", start=start, won=won):
            start.wait()
            if store.create(key, bytes([number]) * 1000):
                won.append(number)

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.get(f"race/{round_number}") == bytes(won) * 1000
    assert leftovers(store) == []


@settings(max_examples=25, deadline=None)
@given(st.sets(st.from_regex(r"[a-c0._-]{1,3}(/[a-c0._-]{1,3}){0,2}", fullmatch=True), max_size=8), st.data())
def test_a_listing_is_sorted_and_filtered_by_prefix(tmp_path_factory, wanted, data):
    store = FolderStore(root=tmp_path_factory.mktemp("list"))
    written = []
    for key in sorted(wanted):
        if any(part.startswith(".") for part in key.split("/")):
            continue
        # A folder cannot hold both "a" and "a/b"; our own keys never do that.
        if any(other.startswith(key + "/") or key.startswith(other + "/") for other in written):
            continue
        store.put(key, b"x")
        written.append(key)
    assert keys(store) == sorted(written)
    if written:
        key = data.draw(st.sampled_from(written))
        prefix = key[: data.draw(st.integers(0, len(key)))]
        if not prefix.startswith(".") and "/." not in prefix:
            assert keys(store, prefix) == sorted(k for k in written if k.startswith(prefix))


def test_folders_are_the_names_before_the_next_slash(store):
    for key in ("products/b-2/spec.json", "products/a-1/data/x", "products/a-1/spec.json", "latest.json"):
        store.put(key, b"x")
    assert store.folders() == ("products",)
    assert store.folders("products/") == ("a-1", "b-2")
    assert store.folders("nothing/") == ()


def test_an_absent_folder_is_an_empty_store_and_stays_absent(store):
    assert keys(store) == []
    with pytest.raises(ObjectMissing, match="no object 'a'"):
        store.get("a")
    with pytest.raises(ObjectMissing):
        store.head("a/b")
    store.delete("a/b")
    assert not store.root.exists()


def test_foreign_and_hidden_files_are_not_listed(store):
    store.put("a", b"x")
    (store.root / "my notes.txt").write_text("x")
    (store.root / ".DS_Store").write_text("x")
    (store.root / "link").symlink_to("a")
    assert keys(store) == ["a"]


def test_a_key_that_leads_out_is_refused_by_every_method(store):
    for act in (store.get, store.head, store.delete, lambda k: store.put(k, b""), lambda k: store.create(k, b"")):
        with pytest.raises(ValueError, match="bad object key"):
            act("../x")


def test_delete_removes_and_may_be_repeated(store):
    store.put("a", b"x")
    store.delete("a")
    store.delete("a")
    assert keys(store) == []


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
def test_a_full_disk_leaves_nothing_and_says_what_to_do(store, monkeypatch, call):
    store.put("a", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    write = store.create if call == "link" else store.put
    with pytest.raises(StoreError, match=r"No space left.*Free some space.*resumes"):
        write("a" if call != "link" else "b", b"new")
    monkeypatch.undo()
    assert keys(store) == ["a"]
    assert store.get("a") == b"old"
    assert leftovers(store) == []


def test_a_real_refusal_of_the_kernel_to_write_more_leaves_nothing(store):
    """The limit on file size stands for the disk's: a true short write, in a child so that the limit ends with it."""
    store.put("a", b"old")
    child = os.fork()
    if child == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            store.create("b", bytes(5000))
        except StoreError as error:
            os._exit(0 if "Free some space" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert keys(store) == ["a"]
    assert leftovers(store) == []


@pytest.mark.parametrize("write", ["put", "create"])
@pytest.mark.parametrize("call", ["fsync", "replace", "link", "unlink"])
def test_a_process_killed_at_any_step_leaves_whole_objects_only(store, write, call):
    store.put("old", b"old")
    child = os.fork()
    if child == 0:
        setattr(os, call, lambda *_, **__: os._exit(9))
        getattr(store, write)("new", b"new" * 1000)
        os._exit(0)
    os.waitpid(child, 0)
    assert keys(store) in (["old"], ["new", "old"])
    if "new" in keys(store):
        assert store.get("new") == b"new" * 1000
    assert store.create("new", b"new" * 1000) == (len(keys(store)) == 1) or store.get("new") == b"new" * 1000


def test_a_file_system_without_hard_links_is_named_as_the_reason(store, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(StoreError, match="without hard links"):
        store.create("a", b"x")


def test_a_file_where_a_folder_is_needed_is_named_as_the_reason(store):
    store.put("a", b"x")
    with pytest.raises(StoreError, match="A file lies where a folder is needed"):
        store.put("a/b", b"x")


def test_a_store_travels_to_another_process_and_opens_again_by_its_uri(store):
    store.put("a", b"x")
    # Stores travel to workers this way; only what this test itself wrote is unpickled.
    assert pickle.loads(pickle.dumps(store)).get("a") == b"x"
    assert open_store(store.uri) == store
