import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from shard_runs import detector, make_settings, plan_jobs, products, read_rows, rows_by_photo, run_shards

import oodinv.engine.edit_stage as edit_stage
from oodinv.bundles.inverter import Inverter
from oodinv.engine.worker import ShardWorker
from oodinv.faces.align import crop_transform, extract_crop
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.isolated import Decoders
from oodinv.ledger import LedgerError, fsck, list_commits, run_differences, sample_id
from oodinv.ledger.retry import RetryRequest, ask_for_retry
from oodinv.store import StoreError, open_store


@pytest.fixture
def photos(small_photos, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(small_photos, tmp_path / "photos")


@pytest.fixture
def settings(photos, tiny_bundle, tmp_path):
    return make_settings(photos, tmp_path / "out", tiny_bundle, "smile=+1", "identity")


def reasons(settings, key):
    """status, stage and class of the only row of a photo, the same in all products."""
    found = {
        tuple(row[name] for name in ("status", "stage", "error_class"))
        for product in products(settings)
        for row in rows_by_photo(settings, product)[key]
    }
    assert len(found) == 1
    return found.pop()


def others_are_ok(settings, *bad):
    rows = [row for row in read_rows(settings).to_pylist() if row["src_key"] not in (*bad, "table.jpg")]
    assert rows and {row["status"] for row in rows} == {"ok"}
    assert fsck(open_store(settings.target)).clean


def test_a_photo_that_changed_after_planning_is_left_for_the_next_run(settings, photos):
    (job,) = plan_jobs(settings)
    (photos / "portrait.jpg").write_bytes((photos / "astronaut.png").read_bytes())
    ShardWorker(settings).run(job)
    assert reasons(settings, "portrait.jpg") == ("failed", "fetch", "changed")
    others_are_ok(settings, "portrait.jpg")
    run_shards(settings)
    rows = rows_by_photo(settings, settings.products[0])["portrait.jpg"]
    assert [(row["status"], row["generation"], row["shard_id"]) for row in rows] == [("ok", 1, "2-000000")]


def test_a_photo_that_vanished_after_planning_has_its_row(settings, photos):
    (job,) = plan_jobs(settings)
    (photos / "astronaut.png").unlink()
    ShardWorker(settings).run(job)
    assert reasons(settings, "astronaut.png") == ("failed", "fetch", "vanished")
    others_are_ok(settings, "astronaut.png")


def test_a_photo_that_vanishes_between_faces_and_edits_has_its_row(settings, photos, tiny_bundle, tmp_path):
    run_shards(settings)
    (photos / "astronaut.png").unlink()
    more = make_settings(photos, tmp_path / "out", tiny_bundle, "age=+1")
    run_shards(more)
    (row,) = rows_by_photo(more, more.products[0])["astronaut.png"]
    assert (row["status"], row["stage"], row["error_class"], row["face_index"]) == ("failed", "fetch", "vanished", -1)
    (face,) = rows_by_photo(more, more.faces)["astronaut.png"]
    assert face["status"] == "ok"


def test_one_that_killed_who_edited_it_costs_no_second_pass_over_its_shard(settings, photos, monkeypatch):
    """Its faces were committed by then; in quarantine it has others, and only the others of the shard are compared."""
    run_shards(replace(settings, products=()))
    poison, inverted = sample_id("portrait.jpg"), []
    (faceless_job,) = plan_jobs(settings)
    job = replace(faceless_job, missing=(settings.faces.name, *faceless_job.missing), quarantine=frozenset({poison}))
    invert = Inverter.invert
    monkeypatch.setattr(Inverter, "invert", lambda self, crops, **how: inverted.append(1) or invert(self, crops, **how))
    worker = ShardWorker(settings)
    vars(worker)["_detector"] = detector()
    receipt = worker.run(job.with_care())
    assert receipt.outcomes[settings.faces.name] == "lost" and len(inverted) == 4
    assert rows_by_photo(settings, settings.faces)["portrait.jpg"][0]["status"] == "ok"
    for product in settings.products:
        rows = rows_by_photo(settings, product)
        assert [row["status"] for row in rows["portrait.jpg"]] == ["quarantined"]
        assert [row["status"] for row in rows["three.webp"]] == ["ok"] * 3
    assert fsck(open_store(settings.target)).clean


def test_a_photo_in_quarantine_is_not_touched(settings, photos):
    (photos / "portrait.jpg").write_bytes(b"never read")
    os.utime(photos / "portrait.jpg", ns=(0, 0))
    touched = []
    (job,) = plan_jobs(settings)
    ShardWorker(settings).run(job.without(sample_id("portrait.jpg")).with_care(), touched.append)
    assert reasons(settings, "portrait.jpg") == ("quarantined", "process", "killed-its-process")
    others_are_ok(settings, "portrait.jpg")
    assert sample_id("portrait.jpg") not in touched
    # Once through the three others, and then a word that no sample is under way.
    ids = [sample_id(name) for name in ("astronaut.png", "table.jpg", "three.webp")]
    assert touched == [*ids, None]


def test_a_photo_that_crashes_the_codec_costs_that_photo(settings, photos, monkeypatch):
    program = (
        "import os, signal, sys; from oodinv.imaging import decode_server as server; decode = server.decode_photo\n"
        "def crash(data, limits):\n"
        "    if data.startswith(b'poison'): os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return decode(data, limits)\n"
        "server.decode_photo = crash; server.serve(sys.stdin.buffer, sys.stdout.buffer)"
    )
    decoders = Decoders(1, [sys.executable, "-c", program])
    monkeypatch.setattr("oodinv.engine.worker.shared_decoders", lambda count: decoders)
    (photos / "portrait.jpg").write_bytes(b"poison for the codec")
    run_shards(settings)
    assert reasons(settings, "portrait.jpg") == ("failed", "decode", "decoder-died")
    assert "SIGSEGV" in rows_by_photo(settings, settings.faces)["portrait.jpg"][0]["error_message"]
    others_are_ok(settings, "portrait.jpg")
    decoders.close()


class FailsFor:
    """A detector that raises for photos of one width."""

    name, weights_sha256 = "centerface", detector().weights_sha256

    def __init__(self, width, error):
        self.width, self.error = width, error

    def detect(self, photo):
        if photo.shape[1] == self.width:
            raise self.error
        return detector().detect(photo)


def with_detector(error):
    return lambda worker: vars(worker).update(_detector=FailsFor(220, error))


def test_a_detector_that_fails_for_one_photo_costs_that_photo(settings):
    run_shards(settings, prepare=with_detector(RuntimeError("bad | luck\nhere")))
    assert reasons(settings, "portrait.jpg") == ("failed", "detect", "runtime-error")
    assert "bad | luck" in rows_by_photo(settings, settings.faces)["portrait.jpg"][0]["error_message"]
    others_are_ok(settings, "portrait.jpg")


def test_what_failed_and_is_retried_is_as_if_it_had_never_failed(settings, photos, tiny_bundle, tmp_path):
    run_shards(settings, prepare=with_detector(RuntimeError("no luck")))
    target = open_store(settings.target)
    retry = ask_for_retry(target, RetryRequest(error_classes=frozenset({"runtime-error"})))
    assert retry.count() == {product.name: 1 for product in products(settings)}
    added = make_settings(photos, tmp_path / "out", tiny_bundle, "smile=+1", "identity", "smile=-1")
    (job,) = plan_jobs(added)  # a repair, and an edit that is new
    assert (job.num_samples, job.repaired().num_samples, job.missing) == (4, 1, (added.products[2].name,))
    (receipt,) = run_shards(added)
    assert set(receipt.outcomes) == {product.name for product in products(added)}
    assert receipt.samples[added.faces.name]["ok"] == 1 and receipt.samples[added.products[2].name]["ok"] == 3
    undisturbed = make_settings(photos, tmp_path / "undisturbed", tiny_bundle, "smile=+1", "identity", "smile=-1")
    run_shards(undisturbed)
    assert run_differences(read_rows(added), read_rows(undisturbed)) == []
    assert plan_jobs(added) == [] and fsck(target, deep=True).clean


def test_a_retry_that_fails_again_is_answered_and_may_be_asked_for_again(settings):
    target = open_store(settings.target)
    for number in (1, 2):
        run_shards(settings, prepare=with_detector(RuntimeError("no luck")))
        assert reasons(settings, "portrait.jpg") == ("failed", "detect", "runtime-error")
        assert plan_jobs(settings) == []
        assert ask_for_retry(target, RetryRequest()).number == number
    others_are_ok(settings, "portrait.jpg")


class FailingInverter(Inverter):
    """Fails for crops that are like one it was shown."""

    def spoil(self, bad, *, method="invert", error=None):
        self.bad, self.method, self.error = bad, method, error or RuntimeError("no such luck")
        return self

    def _check(self, crop, method):
        if method == self.method and (crop - self.bad).abs().max() < 1e-6:
            raise self.error

    def invert(self, crops):
        self._check(crops, "invert")
        return super().invert(crops)

    def edit(self, inversion, edits, composition=None):
        self._check(inversion.crop, "edit")
        return super().edit(inversion, edits, composition)


@pytest.fixture
def spoiled(settings, photos, tiny_bundle):
    """Makes the model fail for the second face of the photo with three."""
    photo = decode_photo((photos / "three.webp").read_bytes())
    face = detector().detect(photo)[1]
    crop = torch.from_numpy(extract_crop(photo, crop_transform(face, 32), 32))

    def make(**options):
        inverter = FailingInverter.from_bundle(str(tiny_bundle)).spoil(crop, **options)
        return lambda worker: vars(worker).update(_inverter=inverter)

    return make


@pytest.mark.parametrize("method", ["invert", "edit"])
def test_a_model_that_fails_for_one_face_costs_that_face(settings, photos, spoiled, method):
    run_shards(settings, prepare=spoiled(method=method))
    smile, identity = (rows_by_photo(settings, product)["three.webp"] for product in settings.products)
    assert [row["status"] for row in smile] == ["ok", "failed", "ok"]
    assert (smile[1]["stage"], smile[1]["error_class"]) == (method, "runtime-error")
    assert smile[1]["out_key"] is None and smile[0]["out_key"] == smile[2]["out_key"]
    # The identity takes no edit, so only an inversion that failed costs it the face.
    assert [row["status"] for row in identity] == ["ok", "failed" if method == "invert" else "ok", "ok"]
    others_are_ok(settings, "three.webp")


def test_a_face_that_fails_at_its_last_step_stays_as_photographed(settings, photos, monkeypatch, tiny_bundle, tmp_path):
    keeping = make_settings(photos, tmp_path / "kept", tiny_bundle, "smile=+1", keep=["masks"])
    masks = []

    def second_mask_breaks(edited):
        masks.append(edited)
        if len(masks) == 2:
            raise RuntimeError("no mask")
        return np.zeros((32, 32), np.uint8)

    for name in ("astronaut.png", "portrait.jpg", "table.jpg"):
        (photos / name).unlink()
    monkeypatch.setattr(edit_stage, "mask_pixels", second_mask_breaks)
    composed = []
    put_back = edit_stage.put_back
    monkeypatch.setattr(edit_stage, "put_back", lambda out, *rest: composed.append(out) or put_back(out, *rest))
    run_shards(keeping)
    assert [row["status"] for row in rows_by_photo(keeping, keeping.products[0])["three.webp"]] == [
        "ok",
        "failed",
        "ok",
    ]
    # The third face is put into what the second one was to be put into: without the second.
    assert composed[2] is composed[1]


def test_a_photo_that_cannot_be_encoded_is_a_failed_row_and_not_a_dead_worker(settings, monkeypatch):
    def encode(pixels, **options):
        if pixels.shape[1] == 220:
            raise ValueError("expected sides from 1 to 16383 for webp, got 20000 x 20")
        return encode_photo(pixels, **options)

    encode_photo = edit_stage.encode_photo
    monkeypatch.setattr(edit_stage, "encode_photo", encode)
    run_shards(settings)
    (row,) = rows_by_photo(settings, settings.products[0])["portrait.jpg"]
    assert (row["status"], row["stage"], row["error_class"], row["out_key"]) == (
        "failed",
        "encode",
        "value-error",
        None,
    )
    others_are_ok(settings, "portrait.jpg")


@pytest.mark.parametrize("error", [StoreError("the disk is full"), MemoryError("no more")])
def test_what_is_the_machines_trouble_is_no_photos_failure(settings, error):
    with pytest.raises(type(error), match=str(error)):
        run_shards(settings, prepare=with_detector(error))
    assert not list_commits(open_store(settings.target), settings.faces.name)


class FullDisk:
    """The target, with room for so many more objects."""

    def __init__(self, inner, room):
        self.inner, self.room = inner, room

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def put(self, key, data):
        self.room -= 1
        if self.room < 0:
            raise StoreError(f"writing {key!r} failed: No space left on device. Free some space")
        self.inner.put(key, data)


@pytest.fixture(scope="module")
def undisturbed(small_photos, tiny_bundle, tmp_path_factory):
    settings = make_settings(small_photos, tmp_path_factory.mktemp("undisturbed"), tiny_bundle, "smile=+1", "identity")
    run_shards(settings)
    return read_rows(settings)


@pytest.mark.parametrize("room", [0, 1, 3, 7])  # the faces' rows, 3 photos in 2 products, the rows of these
def test_a_full_disk_stops_the_shard_and_the_next_run_finishes_it(
    undisturbed, small_photos, tiny_bundle, tmp_path, room
):
    settings = make_settings(small_photos, tmp_path, tiny_bundle, "smile=+1", "identity")

    def fill(worker):
        worker._target = FullDisk(worker._target, room)

    with pytest.raises(StoreError, match="Free some space"):
        run_shards(settings, prepare=fill)
    assert fsck(open_store(settings.target)).clean
    run_shards(settings)
    assert run_differences(read_rows(settings), undisturbed) == []


def test_a_source_folder_that_is_gone_is_no_photos_failure(settings, photos):
    (job,) = plan_jobs(settings)
    worker = ShardWorker(settings)
    photos.rename(photos.parent / "elsewhere")
    with pytest.raises(StoreError, match=r"source folder .* is gone; bring it back"):
        worker.run(job)


def test_edits_without_their_faces_are_refused(settings):
    (job,) = plan_jobs(settings)
    with pytest.raises(LedgerError, match="compute it first"):
        ShardWorker(settings).run(replace(job, missing=(settings.products[0].name,)))


def test_a_run_with_failures_is_equal_to_another_with_the_same_failures(settings, photos, tiny_bundle, tmp_path):
    (photos / "portrait.jpg").write_bytes(b"<html>not here</html>")
    run_shards(settings)
    again = make_settings(photos, tmp_path / "again", tiny_bundle, "smile=+1", "identity")
    run_shards(again, shard_size=100)
    assert run_differences(read_rows(settings), read_rows(again)) == []
    assert reasons(settings, "portrait.jpg") == ("failed", "decode", "not-an-image")
