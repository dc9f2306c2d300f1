"""Files that are the same, byte for byte, are computed once in a shard, and each has its own rows and pictures."""

import shutil
from dataclasses import replace

import pytest
from shard_runs import detector, make_settings, plan_jobs, products, read_rows, rows_by_photo, run_shards

from oodinv.bundles.inverter import Inverter
from oodinv.engine.worker import ShardWorker
from oodinv.imaging.errors import PhotoError
from oodinv.imaging.isolated import Decoders
from oodinv.ledger import fsck, sample_id
from oodinv.store import open_store

KEPT = {"keep": ("masks", "crops", "latents")}
OWN = {"sample_id", "src_key", "src_etag", "out_key", "mask_key", "model_ms"}


@pytest.fixture
def source(small_photos, tmp_path):
    """Two photos, each three times, and one without a face twice."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, copies in (("portrait.jpg", "adf"), ("three.webp", "bce"), ("table.jpg", "gh")):
        for copy in copies:
            shutil.copy(small_photos / name, folder / f"{copy}-{name}")
    return folder


@pytest.fixture
def counted(monkeypatch):
    calls = {"detect": 0, "invert": 0}
    detect, invert = type(detector()).detect, Inverter.invert
    monkeypatch.setattr(
        type(detector()), "detect", lambda self, photo: calls.update(detect=calls["detect"] + 1) or detect(self, photo)
    )
    monkeypatch.setattr(
        Inverter, "invert", lambda *of, **how: calls.update(invert=calls["invert"] + 1) or invert(*of, **how)
    )
    return calls


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("careful", [False, True])
def test_each_is_computed_once_and_has_what_it_would_have_alone(
    source, tiny_bundle, tmp_path, counted, passes, careful
):
    settings = make_settings(source, tmp_path / "out", tiny_bundle, "smile=+1.5", "age=-1", **KEPT)
    care = (lambda jobs: [job.with_care() for job in jobs]) if careful else list
    if passes == 2:  # the faces by themselves, the edits from the ledger
        run_shards(replace(settings, products=()), order=care)
    run_shards(settings, order=care)
    assert counted == {"detect": 3, "invert": 1 + 3}  # one face, and three
    report = fsck(open_store(settings.target), deep=True)
    assert report.clean and report.num_orphans == 0, report.problems
    for product in products(settings):
        rows = rows_by_photo(settings, product)
        for first, *others in (("a-", "d-", "f-"), ("b-", "c-", "e-"), ("g-", "h-")):
            of = {key[:2]: [{n: v for n, v in row.items() if n not in OWN} for row in rows[key]] for key in rows}
            assert all(of[other] == of[first] for other in others)
    alone = make_settings(source, tmp_path / "alone", tiny_bundle, "smile=+1.5", "age=-1", **KEPT)
    run_shards(alone, shard_size=1)
    assert contents(settings) == contents(alone)


def contents(settings):
    """What a reader finds for each photo and product: bytes of its objects by their own names."""
    store, found = open_store(settings.target), {}
    for row in read_rows(settings).to_pylist():
        for column in ("out_key", "mask_key"):
            if row[column] is not None:
                found[row["product"], row["src_key"], row["face_index"], column] = store.get(row[column])
    names = {
        (info.key.split("/")[1], info.key.rpartition("/")[2], store.get(info.key))
        for info in store.list("products/")
        if not info.key.endswith((".parquet", ".json"))
    }
    return found, names


def test_a_twin_that_gets_a_preview_is_looked_at(source, tiny_bundle, tmp_path, counted):
    twin = sample_id("d-portrait.jpg")
    settings = make_settings(source, tmp_path / "out", tiny_bundle, previews=[twin])
    run_shards(settings)
    assert counted == {"detect": 4, "invert": 1 + 3 + 1}
    previews = [info.key for info in open_store(settings.target).list("products/") if info.key.endswith("-preview.jpg")]
    assert len(previews) == 1 and twin in previews[0]


def test_what_failed_for_the_first_is_tried_for_the_next(source, tiny_bundle, tmp_path, monkeypatch):
    settings = make_settings(source, tmp_path / "out", tiny_bundle)
    decode, failed = Decoders.decode, []

    def flaky(self, data, *limits):
        if data == (source / "a-portrait.jpg").read_bytes() and not failed:
            failed.append(data)
            raise PhotoError("decoder-died", "once")
        return decode(self, data, *limits)

    monkeypatch.setattr(Decoders, "decode", flaky)
    run_shards(settings, order=lambda jobs: [job.with_care() for job in jobs])
    rows = rows_by_photo(settings, settings.products[0])
    assert [rows[f"{copy}-portrait.jpg"][0]["status"] for copy in "adf"] == ["failed", "ok", "ok"]


def test_after_one_in_quarantine_the_next_is_the_first(source, tiny_bundle, tmp_path):
    settings = make_settings(source, tmp_path / "out", tiny_bundle)
    run_shards(settings, quarantine=[sample_id("a-portrait.jpg")])
    rows = rows_by_photo(settings, settings.products[0])
    assert [rows[f"{copy}-portrait.jpg"][0]["status"] for copy in "adf"] == ["quarantined", "ok", "ok"]


def test_twins_whose_faces_were_found_differently_are_each_computed(source, tiny_bundle, tmp_path, counted):
    """One of the two could not be read when the faces were looked for."""
    settings = make_settings(source, tmp_path / "out", tiny_bundle)
    (job,) = plan_jobs(settings)
    worker = ShardWorker(settings)
    vars(worker)["_detector"] = detector()
    worker.run(replace(job, part="faces", quarantine=frozenset({sample_id("d-portrait.jpg")})))
    worker.run(replace(job, part="edits"))
    rows = rows_by_photo(settings, settings.products[0])
    assert [rows[f"{copy}-portrait.jpg"][0]["status"] for copy in "adf"] == ["ok", "quarantined", "ok"]
    assert counted["invert"] == 1 + 3
