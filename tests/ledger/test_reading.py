"""Other programs read what is committed, and nothing else."""

import io
import json
import shutil
import tarfile

import pytest
from click.testing import CliRunner
from faulty_store import FaultyStore, Killed
from memory_store import MemoryStore
from tiny_run import FACES, SMILE, finished_run, tiny_run, write_photos

from flows.cli import main
from oodinv.ledger import LedgerError, export, read, read_snapshot, sample_id
from oodinv.ledger.export import export_webdataset
from oodinv.ledger.layout import attempt_prefix
from oodinv.store import FolderStore, PhotoFolder

CONTENTS = {"0.jpg": "1 faces", "1.jpg": "broken", "2.jpg": "2 faces", "3.jpg": "no faces"}


@pytest.fixture
def folder(tmp_path):
    source = PhotoFolder(root=write_photos(tmp_path / "photos", CONTENTS))
    tiny_run(source, FolderStore(root=tmp_path / "target"))
    return tmp_path / "target"


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setenv("OODINV_CACHE", str(tmp_path / "cache"))
    return finished_run(tmp_path / "photos", CONTENTS)[1]


def test_a_folder_is_read_by_its_name(folder):
    rows = read(str(folder))
    assert rows.to_table().equals(read_snapshot(FolderStore(root=folder)))
    only = read(str(folder), products=[SMILE.name]).to_table(columns=["product", "status"])
    assert set(only["product"].to_pylist()) == {SMILE.name} and only.num_columns == 2


def test_a_bucket_is_brought_here_once_and_damage_heals(bucket, tmp_path):
    counting = FaultyStore(bucket)
    assert read(counting).to_table().equals(read_snapshot(bucket))
    files = list((tmp_path / "cache" / "snapshots").iterdir())
    assert len(files) == 2 == sum(key.endswith(".parquet") for method, key in counting.calls if method == "get")
    counting.calls.clear()
    files[0].write_bytes(b"damaged")
    assert read(counting).count_rows() == read_snapshot(bucket).num_rows
    assert sum(key.endswith(".parquet") for method, key in counting.calls if method == "get") == 1


def test_what_is_not_committed_is_not_seen(folder):
    before = read(str(folder)).count_rows()
    prefix = attempt_prefix(SMILE.name, "1-000000", "f" * 32)
    part = next(folder.glob("products/smile*/data/*/*/*/part.parquet"))
    (folder / prefix).mkdir(parents=True)
    shutil.copyfile(part, folder / prefix / "part.parquet")
    assert read(str(folder)).count_rows() == before


@pytest.mark.parametrize(
    ("options", "expected"), [({"products": ["hats-1"]}, "has no product"), ({"number": 7}, "no snapshot 7")]
)
def test_what_is_not_there_is_told(folder, options, expected):
    with pytest.raises(LedgerError, match=expected):
        read(str(folder), **options)


def test_a_damaged_file_is_told(folder):
    next(folder.glob("snapshots/data/*/*.parquet")).write_bytes(b"x")
    with pytest.raises(LedgerError, match="other than was published"):
        read(str(folder))


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize("rows_at_once", [1, 4096])
def test_pictures_are_exported_beside_their_rows(bucket, monkeypatch, rows_at_once):
    monkeypatch.setattr(export, "_ROWS_AT_ONCE", rows_at_once)
    out = MemoryStore()
    made = export_webdataset(bucket, out)
    assert made.tars == (f"{SMILE.name}/1-00000.tar",) and made.pictures == 2
    found = members(out.get(made.tars[0]))
    stems = {key: sample_id(key) for key in ("0.jpg", "2.jpg")}
    assert set(found) == {f"{stem}.{end}" for stem in stems.values() for end in ("png", "json")}
    assert found[f"{stems['2.jpg']}.png"].startswith(b"2 FACES")
    rows = json.loads(found[f"{stems['2.jpg']}.json"])["rows"]
    assert [row["face_index"] for row in rows] == [0, 1] and rows[0]["src_key"] == "2.jpg"
    assert "out_key" not in rows[0]


def test_an_export_gives_the_same_bytes_again_and_ends_what_was_begun(bucket):
    whole, out = MemoryStore(), MemoryStore()
    export_webdataset(bucket, whole, most_bytes=1)
    dying = FaultyStore(out, kill_at=4, when="before")
    with pytest.raises(Killed):
        export_webdataset(bucket, dying, most_bytes=1)
    assert len(out.objects) == 1
    made = export_webdataset(bucket, out, most_bytes=1)
    assert (len(made.tars), made.skipped) == (2, 1) and out.objects == whole.objects


def test_the_command(folder, tmp_path):
    ran = CliRunner().invoke(main, ["dataset", "export", str(folder), "-o", str(tmp_path / "tars")])
    assert ran.exit_code == 0, ran.output
    assert "2 pictures in 1 tars" in ran.stdout
    assert (tmp_path / "tars" / SMILE.name / "1-00000.tar").is_file()
    again = CliRunner().invoke(
        main, ["dataset", "export", str(folder), "-o", str(tmp_path / "tars"), "--product", FACES.name]
    )
    assert "0 pictures in 0 tars" in again.stdout
