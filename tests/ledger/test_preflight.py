import os

import pytest

from oodinv.ledger import check_locations, preflight
from oodinv.store import FolderStore, LocationError, StoreError


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    return tmp_path / "photos"


def test_two_places_apart_are_fine_and_nothing_stays_behind(photos, tmp_path):
    check_locations(str(photos), str(tmp_path / "new" / "target"))
    assert list(FolderStore(root=tmp_path / "new" / "target").list()) == []
    check_locations(str(photos), str(tmp_path / "photos-edited"))  # a longer name is not inside


def test_a_dry_run_leaves_no_trace(photos, tmp_path):
    check_locations(str(photos), str(tmp_path / "target"), write=False)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("target", ["photos", "photos/", "photos/inner", "photos/new/deep", "photos/../photos", "."])
@pytest.mark.parametrize("write", [True, False])
def test_a_target_that_touches_the_source_is_refused_before_anything_is_written(photos, tmp_path, target, write):
    with pytest.raises(LocationError, match=r"Name a target outside|name a target that does not hold"):
        check_locations(str(photos), str(tmp_path) + "/" + target, write=write)
    assert [path.name for path in photos.rglob("*")] == ["inner"]
    assert sorted(os.listdir(tmp_path)) == ["photos"]


def test_a_link_does_not_hide_that_they_touch(photos, tmp_path):
    (tmp_path / "link").symlink_to(photos)
    for source, target in ((photos, tmp_path / "link" / "out"), (tmp_path / "link", photos / "out")):
        with pytest.raises(LocationError, match="is inside the source"):
            check_locations(str(source), str(target))
    with pytest.raises(LocationError, match="the same folder as"):
        check_locations(str(photos), f"file://{tmp_path}/link")


def test_a_missing_source_is_refused(tmp_path):
    with pytest.raises(LocationError, match="does not exist: check the spelling"):
        check_locations(str(tmp_path / "nothing"), str(tmp_path / "target"))


@pytest.mark.parametrize("target", ["/proc/oodinv-target", "/dev/null/target"])
def test_a_target_that_cannot_be_written_is_refused(photos, target):
    with pytest.raises(
        (StoreError, LocationError), match=r"writing .* failed: .*(name another folder|run the same command)"
    ):
        check_locations(str(photos), target)


def test_a_folder_that_overwrites_is_refused(photos, tmp_path, monkeypatch):
    class Careless(FolderStore):
        def create(self, key, data):
            self.put(key, data)
            return True

    monkeypatch.setattr(preflight, "open_store", lambda uri, access: Careless(root=tmp_path / "target"))
    with pytest.raises(StoreError, match=r"does not keep create-only writes apart.*Name a target on another store"):
        check_locations(str(photos), str(tmp_path / "target"))
    assert list(FolderStore(root=tmp_path / "target").list()) == []
