import pytest

from oodinv.store import LocationError, local_folder, open_source, open_store


def test_a_path_and_its_file_uri_name_the_same_store(tmp_path):
    folder = tmp_path / "with space"
    assert open_store(str(folder)) == open_store("file://" + str(folder).replace(" ", "%20"))
    assert open_store(str(folder)) == open_store("file://localhost" + str(folder).replace(" ", "%20"))


def test_a_link_to_a_folder_is_the_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_store(str(tmp_path / "link")) == open_store(str(tmp_path / "real"))


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "gs://bucket", "https://host/x"])
def test_other_stores_are_refused_by_name(uri):
    for opened in (open_store, open_source):
        with pytest.raises(LocationError, match=r"not supported in this version.*name a local folder"):
            opened(uri)


@pytest.mark.parametrize("uri", ["", "file://otherhost/x", "file://", "a\0b"])
def test_what_names_no_folder_is_refused(uri):
    with pytest.raises(LocationError, match="expected"):
        local_folder(uri)


def test_a_source_must_exist_and_be_a_folder(tmp_path):
    (tmp_path / "file.jpg").touch()
    with pytest.raises(LocationError, match="does not exist: check the spelling"):
        open_source(str(tmp_path / "nothing"))
    with pytest.raises(LocationError, match="it is a file: name its folder"):
        open_source(str(tmp_path / "file.jpg"))
    with pytest.raises(LocationError, match="is a file: name its folder"):
        open_store(str(tmp_path / "file.jpg"))
