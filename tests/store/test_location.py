import subprocess
import sys

import pytest

from oodinv.store import LocationError, local_folder, open_source, open_store


def test_a_path_and_its_file_uri_name_the_same_store(tmp_path):
    folder = tmp_path / "with space"
    assert open_store(str(folder)) == open_store("file://" + str(folder).replace(" ", "%20"))
    assert open_store(str(folder)) == open_store("file://localhost" + str(folder).replace(" ", "%20"))


def test_a_link_to_a_folder_is_the_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_store(str(tmp_path / "link")) == open_store(str(tmp_path / "real"))


@pytest.mark.parametrize("uri", ["s3a://bucket/prefix", "gs://bucket", "https://host/x"])
def test_other_stores_are_refused_by_name(uri):
    for opened in (open_store, open_source):
        with pytest.raises(
            LocationError, match=rf"expected a folder .* or s3://bucket/prefix, got {uri[:2]}.*copy the"
        ):
            opened(uri)


def test_a_bucket_is_no_folder():
    with pytest.raises(LocationError, match="expected a folder"):
        local_folder("s3://bucket/prefix")


def test_folders_do_not_wait_for_the_s3_client():
    code = "import sys, oodinv.store as s; s.open_store('/tmp'); sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
