import os
import time

import pytest

from oodinv.store import ObjectMissing, ObjectRefused, PhotoFolder, Store, StoreError, open_source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def keys(source, prefix=""):
    return [info.key for info in source.list(prefix)]


def test_hostile_names_are_listed_and_read(folder):
    names = [
        b"plain.jpg",
        b"new\nline.jpg",
        "Grüße 🙂.jpg".encode(),
        b"not-utf8-\xff\xfe.jpg",
        b"a..b.jpg",
        b"dir../x.jpg",
        b"100%25.jpg",
        b"%FF.jpg",
        b"\\..\\x.jpg",
        b"/".join([b"d" * 199] * 5) + b"/x.jpg",
    ]
    for name in names:
        path = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name)
    source = open_source(str(folder))
    assert isinstance(source, Store)
    assert keys(source) == sorted(keys(source))
    assert {source.get(key) for key in keys(source)} == set(names)
    assert all(source.head(info.key) == info for info in source.list())
    assert keys(source, "dir../") == ["dir../x.jpg"]


def test_hidden_names_are_not_listed(folder):
    (folder / "._photo.jpg").write_bytes(b"resource fork")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "a.jpg").write_bytes(b"x")
    assert keys(open_source(str(folder))) == []


def test_a_link_out_of_the_folder_is_listed_but_not_read(folder, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    source = open_source(str(folder))
    assert keys(source) == ["link.jpg"]
    with pytest.raises(ObjectRefused, match="outside the source folder; copy the photo"):
        source.get("link.jpg")
    with pytest.raises(ObjectRefused):
        source.head("link.jpg")


def test_a_link_inside_the_folder_reads_as_its_file(folder):
    (folder / "a.jpg").write_bytes(b"photo")
    (folder / "b.jpg").symlink_to("a.jpg")
    source = open_source(str(folder))
    assert source.get("b.jpg") == b"photo"
    assert [info.size for info in source.list()] == [5, 5]


def test_folders_behind_links_are_not_entered_nor_read_through(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.jpg").write_bytes(b"x")
    (folder / "album").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(".")
    source = open_source(str(folder))
    assert keys(source) == []
    with pytest.raises(ObjectRefused):
        source.get("album/x.jpg")


def test_broken_and_circular_links_are_listed_and_explained(folder):
    (folder / "broken.jpg").symlink_to("nothing.jpg")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    source = open_source(str(folder))
    assert keys(source) == ["broken.jpg", "circle.jpg"]
    with pytest.raises(ObjectMissing):
        source.get("broken.jpg")
    with pytest.raises(ObjectRefused):
        source.get("circle.jpg")


def test_a_link_swapped_while_the_file_is_opened_smuggles_nothing_in(folder, tmp_path, monkeypatch):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    opened = os.open

    def swap_after_opening(path, *arguments, **options):
        descriptor = opened(path, *arguments, **options)
        (folder / "a.jpg").unlink()
        (folder / "a.jpg").write_bytes(b"harmless")
        return descriptor

    monkeypatch.setattr(os, "open", swap_after_opening)
    with pytest.raises(ObjectRefused):
        open_source(str(folder)).get("a.jpg")


def test_a_pipe_does_not_hang_the_run(folder):
    os.mkfifo(folder / "pipe.jpg")
    source = open_source(str(folder))
    assert keys(source) == []
    started = time.monotonic()
    with pytest.raises(ObjectRefused, match="not a regular file"):
        source.get("pipe.jpg")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("key", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", ""])
def test_a_key_that_leads_out_is_refused(folder, tmp_path, key):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with pytest.raises(ObjectRefused, match="below the source"):
        open_source(str(folder)).get(key)


def test_a_vanished_photo_is_missing_but_a_vanished_folder_is_an_outage(folder):
    (folder / "a.jpg").write_bytes(b"x")
    source = PhotoFolder(root=folder)
    (folder / "a.jpg").unlink()
    with pytest.raises(ObjectMissing):
        source.get("a.jpg")
    folder.rmdir()
    with pytest.raises(StoreError, match="is gone; bring it back"):
        source.get("a.jpg")


def test_a_source_cannot_be_written(folder):
    source = open_source(str(folder))
    (folder / "a.jpg").write_bytes(b"x")
    for act in (lambda: source.put("a.jpg", b""), lambda: source.create("b", b""), lambda: source.delete("a.jpg")):
        with pytest.raises(StoreError, match="reading only"):
            act()
    assert source.get("a.jpg") == b"x"


def test_the_etag_changes_with_the_content(folder):
    (folder / "a.jpg").write_bytes(b"x")
    source = open_source(str(folder))
    before = source.head("a.jpg").etag
    os.utime(folder / "a.jpg", ns=(1, 1))
    assert source.head("a.jpg").etag == "1-1" != before
