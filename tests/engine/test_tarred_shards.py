"""`--objects tars`: few objects, the same rows and bytes."""

import io
import shutil
import tarfile
from dataclasses import replace
from functools import partial

import pytest
from shard_runs import make_settings, products, read_rows, rows_by_photo, run_shards

from oodinv.engine import making
from oodinv.engine.upload import Upload
from oodinv.ledger import fsck, run_differences, sample_id
from oodinv.ledger.export import export_webdataset
from oodinv.ledger.tars import ObjectReader
from oodinv.store import FolderStore, open_store

KEPT = {"keep": ("masks", "crops", "latents")}


@pytest.fixture
def source(small_photos, tmp_path):
    folder = shutil.copytree(small_photos, tmp_path / "photos")
    shutil.copy(folder / "portrait.jpg", folder / "portrait-again.jpg")
    return folder


@pytest.fixture
def separate(source, tiny_bundle, tmp_path):
    settings = make_settings(source, tmp_path / "files", tiny_bundle, "smile=+1.5", "age=-1", **KEPT)
    run_shards(settings)
    return settings


@pytest.mark.parametrize("most_bytes", [64 * 2**20, 200_000, 1])
def test_rows_and_bytes_are_those_of_separate_objects(source, separate, tiny_bundle, tmp_path, monkeypatch, most_bytes):
    monkeypatch.setattr(making, "Upload", partial(Upload, most_bytes=most_bytes))
    tarred = replace(separate, target=str(tmp_path / "tars"), objects="tars")
    run_shards(tarred)
    assert run_differences(read_rows(tarred), read_rows(separate)) == []
    files, tars = (open_store(settings.target) for settings in (separate, tarred))
    report = fsck(tars, deep=True)
    assert report.clean and report.num_orphans == 0, report.problems
    names = [info.key.rpartition("/")[2] for info in tars.list("products/") if "/data/" in info.key]
    pictures = [name for name in names if name != "part.parquet"]
    assert pictures and all(name.startswith("objects-") and name.endswith(".tar") for name in pictures)
    assert len(pictures) == 2 if most_bytes > 10**6 else len(pictures) > 2
    reader = ObjectReader(tars)
    for product in separate.products:
        here, there = rows_by_photo(tarred, product), rows_by_photo(separate, product)
        for key, rows in there.items():
            for one, other in zip(here[key], rows, strict=True):
                for column in ("out_key", "mask_key"):
                    if other[column] is not None:
                        assert reader.get(one[column]) == files.get(other[column])


def test_other_programs_find_pictures_by_their_names(source, separate, tmp_path):
    tarred = replace(separate, target=str(tmp_path / "tars"), objects="tars")
    run_shards(tarred)
    for product in tarred.products:
        found = {}
        for path in (tmp_path / "tars" / "products" / product.name).rglob("objects-*.tar"):
            with tarfile.open(path) as archive:
                found |= {member.name: archive.extractfile(member).read() for member in archive}
        for rows in rows_by_photo(tarred, product).values():
            for row in rows:
                if row["out_key"] is not None:
                    assert len(found[row["out_key"].rpartition("/")[2]]) == row["out_bytes"]


def test_it_is_exported_and_previews_stay_objects(source, separate, tmp_path):
    previews = [sample_id("portrait.jpg")]
    tarred = replace(separate, target=str(tmp_path / "tars"), objects="tars", previews=frozenset(previews))
    run_shards(tarred)
    read_rows(tarred), read_rows(separate)
    assert len(list((tmp_path / "tars").rglob("*-preview.jpg"))) == len(tarred.products)
    tars = []
    for settings in (separate, tarred):
        out = FolderStore(root=tmp_path / f"export-{len(tars)}")
        export_webdataset(open_store(settings.target), out, masks=True)
        tars.append({info.key: contents_of(out.get(info.key)) for info in out.list()})
    assert tars[0].keys() == tars[1].keys() and len(tars[0]) == len(products(separate)) - 1
    for key in tars[0]:
        pictures = [{n: d for n, d in each[key].items() if not n.endswith(".json")} for each in tars]
        assert pictures[0] == pictures[1] != {}


def contents_of(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}
