import gc
import shutil
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from shard_runs import detector, make_settings, plan_jobs, products, read_rows, rows_by_photo, run_shards

import oodinv.engine.edit_stage as edit_stage
import oodinv.engine.fetch as fetch
from oodinv.bundles.inverter import Inverter
from oodinv.engine.fetch import PhotoReader
from oodinv.engine.group import Group
from oodinv.engine.outcome import DeviceBroken
from oodinv.engine.overlap import Ahead, Behind
from oodinv.engine.worker import ShardWorker
from oodinv.faces.align import crop_transform, extract_crop
from oodinv.imaging.decode import decode_photo
from oodinv.ledger import fsck, list_commits, run_differences, sample_id
from oodinv.store import open_store

ROUNDED = ("ood_area", "recon_psnr", "out_bytes", "out_sha256")
"""What the last bits of the networks' numbers may change in a row."""


@pytest.fixture(scope="module")
def photos(small_photos, tmp_path_factory):
    """Seven faces; in order of their names 1, 1, 1, 0, 3, 1 of them."""
    folder = tmp_path_factory.mktemp("microbatch") / "photos"
    shutil.copytree(small_photos, folder)
    # The same picture in another file: equal ones are computed once.
    (folder / "again.jpg").write_bytes((folder / "portrait.jpg").read_bytes() + b"\0")
    (folder / "unlike.jpg").write_bytes((folder / "portrait.jpg").read_bytes() + b"\1")
    return folder


def settings_of(photos, tiny_bundle, target, microbatch, *edits, **options):
    made = make_settings(photos, target, tiny_bundle, *(edits or ("smile=+1", "identity")), **options)
    return replace(made, microbatch=microbatch)


class WatchedInverter(Inverter):
    """Remembers how many faces came at once; fails where it is told to."""

    def watch(self, fails=lambda method, crops: None):
        self.calls, self.fails = {"invert": [], "edit": []}, fails
        return self

    def _note(self, method, crops):
        self.calls[method].append(len(crops))
        error = self.fails(method, crops)
        if error is not None:
            raise error

    def invert(self, crops):
        self._note("invert", crops)
        return super().invert(crops)

    def edit(self, inversion, edits, composition=None):
        self._note("edit", inversion.crop)
        return super().edit(inversion, edits, composition)


@pytest.fixture
def inverter(tiny_bundle):
    return WatchedInverter.from_bundle(str(tiny_bundle)).watch()


def using(inverter=None):
    parts = {"_detector": detector()} | ({} if inverter is None else {"_inverter": inverter})
    return lambda worker: vars(worker).update(parts)


def worker_with(settings, inverter):
    worker = ShardWorker(settings)
    using(inverter)(worker)
    return worker


@pytest.fixture(scope="module")
def one_by_one(photos, tiny_bundle, tmp_path_factory):
    """The dataset as a CPU makes it by default."""
    keep = ("masks", "latents")
    settings = settings_of(photos, tiny_bundle, tmp_path_factory.mktemp("one"), None, keep=keep)
    run_shards(settings, prepare=using())
    return settings


def same_but_for_rounding(here, there):
    def plain(settings):
        table = read_rows(settings)
        skipped = {*ROUNDED, "attempt", "generation", "out_key", "mask_key", "model_ms", "committed_at", "shard_id"}
        rows = table.drop_columns([name for name in table.column_names if name in skipped]).to_pylist()
        return sorted(rows, key=lambda row: (row["product"], row["src_key"], row["face_index"]))

    assert plain(here) == plain(there)
    first, second = open_store(here.target), open_store(there.target)
    for product in here.products:
        ours, theirs = rows_by_photo(here, product), rows_by_photo(there, product)
        for key in ours:
            for a, b in zip(ours[key], theirs[key], strict=True):
                for name in ("ood_area", "recon_psnr"):
                    assert a[name] == (None if b[name] is None else pytest.approx(b[name], rel=1e-3))
                for name in ("out_key", "mask_key"):
                    assert (a[name] is None) == (b[name] is None)
                    if a[name] is not None:
                        pictures = [
                            decode_photo(s.get(k)).astype(int) for s, k in ((first, a[name]), (second, b[name]))
                        ]
                        assert np.abs(pictures[0] - pictures[1]).max() <= 2


def test_faces_of_several_photos_go_through_the_model_together(one_by_one, photos, tiny_bundle, tmp_path, inverter):
    settings = settings_of(photos, tiny_bundle, tmp_path, 4, keep=("masks", "latents"))
    receipts = run_shards(settings, prepare=using(inverter))
    # Three photos of one face each and none, then those of three faces and of one; the identity needs no edit.
    assert inverter.calls == {"invert": [3, 4], "edit": [3, 4]}
    same_but_for_rounding(settings, one_by_one)
    assert fsck(open_store(settings.target)).clean
    assert [sum(receipt.spans["invert"].values()) for receipt in receipts] == [2]


def test_a_photo_of_more_faces_than_a_microbatch_is_done_in_several_calls(
    one_by_one, photos, tiny_bundle, tmp_path, inverter
):
    settings = settings_of(photos, tiny_bundle, tmp_path, 2, keep=("masks", "latents"))
    run_shards(settings, prepare=using(inverter))
    assert inverter.calls["invert"] == [2, 1, 2, 1, 1]
    same_but_for_rounding(settings, one_by_one)


def test_on_a_cpu_every_face_is_a_call_of_its_own(one_by_one, photos, tiny_bundle, tmp_path, inverter):
    settings = settings_of(photos, tiny_bundle, tmp_path, None, keep=("masks", "latents"))
    run_shards(settings, prepare=using(inverter))
    assert inverter.calls == {"invert": [1] * 7, "edit": [1] * 7}
    assert run_differences(read_rows(settings), read_rows(one_by_one)) == []


def test_the_microbatch_is_no_part_of_what_a_product_is(photos, tiny_bundle, tmp_path):
    names = {products(settings_of(photos, tiny_bundle, tmp_path, size))[1].name for size in (None, 1, 16)}
    assert len(names) == 1


def second_face_of_three(photos):
    photo = decode_photo((photos / "three.webp").read_bytes())
    return torch.from_numpy(extract_crop(photo, crop_transform(detector().detect(photo)[1], 32), 32))


def holds(crops, bad):
    return bool(((crops - bad).abs().amax(dim=(1, 2, 3)) < 1e-6).any())


@pytest.mark.parametrize("method", ["invert", "edit"])
def test_a_face_that_fails_in_a_batch_fails_alone(one_by_one, photos, tiny_bundle, tmp_path, inverter, method):
    bad = second_face_of_three(photos)
    inverter.watch(lambda at, crops: ValueError("not this one") if at == method and holds(crops, bad) else None)
    settings = settings_of(photos, tiny_bundle, tmp_path, 4, "smile=+1")
    run_shards(settings, prepare=using(inverter))
    assert inverter.calls[method] == [3, 4, 1, 1, 1, 1]
    (product,) = settings.products
    rows = {(key, row["face_index"]): row for key, found in rows_by_photo(settings, product).items() for row in found}
    failed = rows.pop(("three.webp", 1))
    assert (failed["status"], failed["stage"], failed["error_class"], failed["error_message"]) == (
        "failed", method, "value-error", "not this one",
    )  # fmt: skip
    assert {row["status"] for (key, _), row in rows.items() if key != "table.jpg"} == {"ok"}
    assert fsck(open_store(settings.target)).clean


def test_a_run_goes_on_with_fewer_faces_when_memory_runs_out(one_by_one, photos, tiny_bundle, tmp_path, inverter):
    inverter.watch(lambda at, crops: torch.OutOfMemoryError("CUDA out of memory") if len(crops) > 2 else None)
    settings = settings_of(photos, tiny_bundle, tmp_path, 6, keep=("masks", "latents"))
    run_shards(settings, shard_size=5, prepare=using(inverter))
    # Six faces are too many, three are too; then two at a time, and never more: not in the edit, not in the next shard.
    assert inverter.calls["invert"] == [6, 3, 2, 2, 2, 1]
    assert inverter.calls["edit"] == [2, 2, 2, 1]
    same_but_for_rounding(settings, one_by_one)


def test_a_face_that_memory_has_no_room_for_fails_alone(photos, tiny_bundle, tmp_path, inverter):
    bad = second_face_of_three(photos)
    inverter.watch(lambda at, crops: torch.OutOfMemoryError("CUDA out of memory") if holds(crops, bad) else None)
    settings = settings_of(photos, tiny_bundle, tmp_path, 4)
    run_shards(settings, prepare=using(inverter))
    for product in settings.products:
        found = rows_by_photo(settings, product)
        assert [row["error_class"] for row in found["three.webp"]] == [None, "out-of-memory-error", None]
        assert {row["status"] for key in found for row in found[key]} == {"ok", "failed", "skipped"}
        assert sum(row["status"] == "ok" for key in found for row in found[key]) == 6


def test_a_gpu_that_only_answers_with_errors_is_no_photos_failure(photos, tiny_bundle, tmp_path, inverter):
    inverter.watch(lambda at, crops: RuntimeError("CUDA error: an illegal memory access was encountered"))
    settings = settings_of(photos, tiny_bundle, tmp_path, 4)
    with pytest.raises(DeviceBroken, match="illegal memory access"):
        run_shards(settings, prepare=using(inverter))
    assert not list_commits(open_store(settings.target), settings.products[0].name)


@pytest.fixture
def quick_collections():
    """The garbage collector looks at what is made from now on: going through all modules takes it most of a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(("careful", "budget"), [(False, 200_000), (False, 10**9), (True, 10**9)])
def test_no_more_decoded_photos_are_held_than_may_be(
    one_by_one, photos, tiny_bundle, tmp_path, monkeypatch, quick_collections, careful, budget
):
    """Ahead of the model, in its group, and behind it."""
    held, most = [], []
    read = PhotoReader.read

    def watched(self, sample):
        photo = read(self, sample)
        held.append(weakref.ref(photo))
        gc.collect()  # the shape checker of the tests makes cycles
        most.append(sum(array.nbytes for ref in list(held) if (array := ref()) is not None))
        return photo

    monkeypatch.setattr(PhotoReader, "read", watched)
    monkeypatch.setattr(edit_stage, "Group", partial(Group, most_bytes=budget))
    monkeypatch.setattr(edit_stage, "Behind", partial(Behind, most_bytes=budget))
    monkeypatch.setattr(fetch, "Ahead", partial(Ahead, most_bytes=budget))
    settings = settings_of(photos, tiny_bundle, tmp_path, 16, keep=("masks", "latents"))
    care = (lambda jobs: [job.with_care() for job in jobs]) if careful else list
    run_shards(settings, prepare=using(), order=care)
    gc.collect()
    assert len(held) == 6 and all(ref() is None for ref in held)
    sizes = sorted(decode_photo(path.read_bytes()).nbytes for path in photos.iterdir())
    if careful:
        assert max(most) == sizes[-1]  # the photo itself
    else:
        assert max(most) <= 3 * max(budget, sizes[-1])
        assert max(most) > sizes[-1] or budget < 10**9
    same_but_for_rounding(settings, one_by_one)


class Died(BaseException):
    """The process is killed: nobody catches this."""


def words_until_death(settings, job, inverter):
    """What a watcher heard of the worker before it died."""
    words = []
    worker = worker_with(settings, inverter)
    with pytest.raises(Died):
        worker.run(job, words.append)
    return words


@pytest.mark.parametrize("method", ["invert", "edit"])
def test_a_death_in_a_batch_blames_nobody_and_the_next_one_its_own_sample(
    photos, tiny_bundle, tmp_path, inverter, method
):
    bad = second_face_of_three(photos)
    inverter.watch(lambda at, crops: Died() if at == method and holds(crops, bad) else None)
    settings = settings_of(photos, tiny_bundle, tmp_path, 4)
    (job,) = plan_jobs(settings)
    poison = sample_id("three.webp")
    assert words_until_death(settings, job, inverter)[-1] is None
    careful = job.with_care()
    assert words_until_death(settings, careful, inverter)[-1] == poison
    words = []
    worker = worker_with(settings, inverter)
    worker.run(careful.without(poison), words.append)
    found = {key: rows[0]["status"] for key, rows in rows_by_photo(settings, settings.products[0]).items()}
    assert found.pop("table.jpg") == "skipped" and found.pop("three.webp") == "quarantined"
    assert set(found.values()) == {"ok"} and len(found) == 4


@pytest.mark.parametrize("careful", [True, False])
def test_with_care_each_sample_is_named_while_it_is_worked_on(
    photos, tiny_bundle, tmp_path, inverter, monkeypatch, careful
):
    """With care a death has a name; without it several samples are under way, and none is accused."""
    settings = settings_of(photos, tiny_bundle, tmp_path, 4, "smile=+1")
    run_shards(replace(settings, products=()), prepare=using())  # the faces
    (job,) = plan_jobs(settings)
    words, at = [], []
    read, encode_photo = PhotoReader.read, edit_stage.encode_photo
    monkeypatch.setattr(PhotoReader, "read", lambda *of: at.append(("decode", words[-1:])) or read(*of))
    monkeypatch.setattr(
        edit_stage, "encode_photo", lambda *of, **how: at.append(("encode", words[-1:])) or encode_photo(*of, **how)
    )
    inverter.watch(lambda method, crops: at.append((method, words[-1:])))
    worker = worker_with(settings, inverter)
    worker.run(job.with_care() if careful else job, words.append)
    names = ("again.jpg", "astronaut.png", "portrait.jpg", "three.webp", "unlike.jpg")
    if careful:
        faces = {"three.webp": 3}
        expected = [
            (what, [sample_id(name)])
            for name in names
            for what in ("decode", *["invert"] * faces.get(name, 1), *["edit"] * faces.get(name, 1), "encode")
        ]
        assert at == expected
    else:
        assert len(at) > 10 and set(words) == {None} and all(word in ([], [None]) for _, word in at)
