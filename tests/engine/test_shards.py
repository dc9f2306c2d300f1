import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from processes import wait_for
from safetensors.numpy import load as load_arrays
from shard_runs import BESIDE, detector, make_settings, plan_jobs, products, read_rows, rows_by_photo, run_shards

from oodinv.engine import making
from oodinv.engine.edit_stage import EditStage
from oodinv.engine.group_model import GroupModel
from oodinv.engine.previews import COLUMNS, TILE
from oodinv.engine.receipt import join_receipts
from oodinv.engine.settings import ShardJob
from oodinv.engine.sheet import dataset_sheet
from oodinv.engine.worker import ShardWorker
from oodinv.imaging.decode import decode_photo
from oodinv.ledger import fsck, list_commits, run_differences, sample_id, sha256_hex
from oodinv.store import open_store

FACES_IN = {"astronaut.png": 1, "portrait.jpg": 1, "table.jpg": 0, "three.webp": 3}


@pytest.fixture(scope="module")
def done(small_photos, tiny_bundle, tmp_path_factory):
    """One run of two products, everything kept, one photo previewed."""
    settings = make_settings(
        small_photos,
        tmp_path_factory.mktemp("done"),
        tiny_bundle,
        "smile=+1.5",
        "age=-1,yaw=+1",
        keep=("masks", "crops", "latents"),
        previews=[sample_id("three.webp")],
    )
    receipts = run_shards(settings, shard_size=3)
    return settings, receipts


def stored(settings, key):
    return open_store(settings.target).get(key)


def test_every_photo_has_its_rows_in_every_product(done):
    settings, _ = done
    for product in products(settings):
        rows = rows_by_photo(settings, product)
        assert {key: max(0, *(row["face_index"] + 1 for row in found)) for key, found in rows.items()} == FACES_IN
        assert {row["status"] for key in rows if FACES_IN[key] for row in rows[key]} == {"ok"}
        (table,) = rows["table.jpg"]
        assert (table["status"], table["error_class"], table["num_faces"]) == ("skipped", "no-face", 0)
    assert fsck(open_store(settings.target)).clean


def test_the_receipts_count_samples_that_add_up(done):
    settings, receipts = done
    assert len(receipts) == 2
    for product in products(settings):
        total = {
            status: sum(r.samples[product.name][status] for r in receipts)
            for status in receipts[0].samples[product.name]
        }
        assert total == {"ok": 3, "skipped": 1, "failed": 0, "quarantined": 0}
        assert [r.errors[product.name] for r in receipts if r.errors[product.name]] == [{"no-face": 1}]
    (example,) = [example for receipt in receipts for example in receipt.examples]  # once, not once for each product
    assert (example.src_key, example.status, example.error_class) == ("table.jpg", "skipped", "no-face")
    assert sum(sum(receipt.spans["detect"].values()) for receipt in receipts) == 4  # each photo was looked at once
    for receipt in receipts:
        assert receipt.busy_s >= sum(s for stage, s in receipt.timers.items() if stage not in BESIDE) - 0.01
    assert sum(r.objects for r in receipts) > 6 and sum(r.bytes for r in receipts) > 1000 and not receipts[0].requests
    stages = {"load", "fetch", "decode", "detect", "align", "invert", "edit", "compose", "encode", "put", "publish"}
    assert all(set(receipt.timers) == stages for receipt in receipts)


@pytest.mark.parametrize("careful", [False, True])
def test_faces_are_published_while_the_last_photo_is_edited_but_not_with_care(
    small_photos, tiny_bundle, tmp_path, monkeypatch, careful
):
    settings, edit, seen = make_settings(small_photos, tmp_path / "out", tiny_bundle), GroupModel.edit, []

    def commits():
        return list(list_commits(open_store(settings.target), settings.faces.name))

    def watched(self, group, *rest):
        if group.photos[-1].sample.key == "three.webp":
            if not careful:
                wait_for(commits, seconds=60)
            seen.append(len(commits()))
        return edit(self, group, *rest)

    monkeypatch.setattr(GroupModel, "edit", watched)
    run_shards(settings, order=lambda jobs: [job.with_care() if careful else job for job in jobs])
    assert seen == [0 if careful else 1]
    assert fsck(open_store(settings.target)).clean


def test_an_ok_row_says_what_lies_there(done):
    settings, _ = done
    for product in settings.products:
        for key, rows in rows_by_photo(settings, product).items():
            for row in rows if FACES_IN[key] else ():
                data = stored(settings, row["out_key"])
                assert (row["out_bytes"], row["out_sha256"]) == (len(data), sha256_hex(data))
                pixels = decode_photo(data)
                assert (
                    pixels.shape[:2]
                    == (row["out_height"], row["out_width"])
                    == (row["photo_height"], row["photo_width"])
                )
                assert Image.open(io.BytesIO(data)).format == "PNG"
                assert 0 <= row["ood_area"] <= 1 and row["model_ms"] > 0 and row["compose"] == "residual"
            assert len({row["out_key"] for row in rows}) == 1  # one photo, whatever the number of faces


def test_an_edit_changes_the_photo_and_another_edit_changes_it_otherwise(done, small_photos):
    settings, _ = done
    photo = decode_photo((small_photos / "portrait.jpg").read_bytes())
    first, second = (
        decode_photo(stored(settings, rows_by_photo(settings, product)["portrait.jpg"][0]["out_key"]))
        for product in settings.products
    )
    assert (first != photo).any() and (second != photo).any() and (first != second).any()


def test_masks_crops_and_latents_are_kept_per_face(done):
    settings, _ = done
    for row in rows_by_photo(settings, settings.products[0])["three.webp"]:
        mask = np.asarray(Image.open(io.BytesIO(stored(settings, row["mask_key"]))))
        assert mask.shape == (32, 32) and mask.dtype == np.uint8
        assert abs(mask.mean() / 255 - row["ood_area"]) < 0.005
        stem = row["mask_key"].removesuffix("-mask.png")
        assert np.asarray(Image.open(io.BytesIO(stored(settings, f"{stem}-crop.png")))).shape == (32, 32, 3)
        assert load_arrays(stored(settings, f"{stem}-latents.safetensors"))["w_plus"].shape == (8, 24)


def test_only_chosen_photos_get_a_preview(done):
    settings, _ = done
    previews = [info.key for info in open_store(settings.target).list("products/") if info.key.endswith("-preview.jpg")]
    assert len(previews) == 3 * len(settings.products)
    assert all(sample_id("three.webp") in key for key in previews)
    assert Image.open(io.BytesIO(stored(settings, previews[0]))).size == (len(COLUMNS) * TILE, TILE)


def test_nothing_below_the_target_is_named_after_a_photo(done):
    settings, _ = done
    names = [info.key for info in open_store(settings.target).list()]
    assert not [name for name in names if any(key.split(".")[0] in name for key in FACES_IN)]


def test_a_finished_run_has_nothing_to_do(done):
    settings, _ = done
    assert plan_jobs(settings, shard_size=1) == []


@pytest.mark.parametrize(("shard_size", "workers"), [(1, 2), (2, 1)])
def test_rows_and_bytes_do_not_depend_on_shards_order_or_worker(
    done, small_photos, tiny_bundle, tmp_path, shard_size, workers
):
    settings, _ = done
    other = make_settings(
        small_photos, tmp_path, tiny_bundle, "age=-1,yaw=+1", "smile=+1.5", keep=("masks", "crops", "latents")
    )
    run_shards(other, shard_size, order=lambda jobs: jobs[::-1], workers=workers)
    here, there = (drop_shards(read_rows(of)) for of in (settings, other))
    assert run_differences(here, there) == []


def test_two_workers_one_after_the_other_make_what_one_makes(done, small_photos, tiny_bundle, tmp_path):
    settings, _ = done
    other = make_settings(
        small_photos, tmp_path, tiny_bundle, "age=-1,yaw=+1", "smile=+1.5", keep=("masks", "crops", "latents")
    )
    (job,) = plan_jobs(other)
    first = job.split(other.faces.name)
    second = first.then()
    assert (first.role, second.role, second.then()) == ("faces", "edits", None)
    finder, editor = ShardWorker(other), ShardWorker(other)
    vars(finder)["_detector"] = detector()
    vars(finder)["_inverter"] = vars(editor)["_detector"] = None  # neither needs what the other has
    receipts = [finder.run(first), editor.run(second)]
    assert [list(receipt.outcomes) for receipt in receipts] == [
        [other.faces.name],
        [product.name for product in other.products],
    ]
    joined = join_receipts(receipts)
    assert joined.objects == sum(receipt.objects for receipt in receipts)
    assert {"detect", "edit"} <= joined.timers.keys()
    assert joined.timers["publish"] == pytest.approx(sum(receipt.timers["publish"] for receipt in receipts))
    here, there = (drop_shards(read_rows(of)) for of in (settings, other))
    assert run_differences(here, there) == []


def test_what_has_one_part_is_not_split(done):
    faces = "faces-1"
    only_edits, only_faces = (ShardJob(shard_id="1-0", samples=(), missing=(name,)) for name in ("smile-1", faces))
    assert only_edits.split(faces).role == "edits" and only_edits.split(faces).then() is None
    assert only_faces.split(faces).role == "faces" and only_faces.split(faces).then() is None


def drop_shards(table):
    """Another split has other shard ids, and nothing else of its own."""
    column = table.schema.get_field_index("shard_id")
    return table.set_column(column, table.schema.field(column), [["1-000000"] * table.num_rows])


def test_an_added_edit_computes_only_itself(small_photos, tiny_bundle, tmp_path):
    first = make_settings(small_photos, tmp_path, tiny_bundle, "smile=+1")
    run_shards(first, shard_size=2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    both = make_settings(small_photos, tmp_path, tiny_bundle, "smile=+1", "age=+1")
    receipts = run_shards(both, shard_size=2)
    assert [set(receipt.outcomes) for receipt in receipts] == [{both.products[1].name}] * 2
    assert "detect" not in receipts[0].timers
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_whoever_comes_second_loses_and_changes_nothing(small_photos, tiny_bundle, tmp_path):
    settings = make_settings(small_photos, tmp_path, tiny_bundle)
    (job,) = plan_jobs(settings)
    run_shards(settings)
    before = read_rows(settings)
    late = ShardWorker(settings).run(job)
    assert set(late.outcomes.values()) == {"lost"}
    assert late.samples[settings.faces.name]["ok"] == 3
    assert read_rows(settings).equals(before)
    report = fsck(open_store(settings.target))
    assert report.clean and report.num_orphans > 0


@pytest.mark.parametrize("same", [True, False])
def test_faces_that_another_committed_meanwhile_count(small_photos, tiny_bundle, tmp_path, monkeypatch, same):
    """Faces and edits are made in one pass, and then somebody else's faces are there."""
    settings = make_settings(small_photos, tmp_path / "out", tiny_bundle)
    (job,) = plan_jobs(settings)
    worker, rival = (ShardWorker(settings) for _ in range(2))
    vars(worker)["_detector"], vars(rival)["_detector"] = detector(), detector() if same else Blind()
    finish, edited = making.Making._publish, []

    def late(self, upload, product, rows, faces_commit):
        if product == settings.faces.name and "rival" not in edited:
            edited.append("rival")  # its own publishing comes by here too
            rival.run(replace(job, part="faces"))
        return finish(self, upload, product, rows, faces_commit)

    rows = EditStage.rows
    monkeypatch.setattr(making.Making, "_publish", late)
    monkeypatch.setattr(EditStage, "rows", lambda *of: edited.append("edits") or rows(*of))
    receipt = worker.run(job)
    (product,) = settings.products
    assert receipt.outcomes == {settings.faces.name: "lost", product.name: "done"}
    assert edited.count("edits") == (1 if same else 2)
    found = {key: of[0]["status"] for key, of in rows_by_photo(settings, product).items()}
    assert found == {key: "ok" if same and number else "skipped" for key, number in FACES_IN.items()}
    report = fsck(open_store(settings.target))
    assert report.clean, report.problems


class Blind:
    """Sees no face, under the name of a detector that does."""

    name, weights_sha256 = detector().name, detector().weights_sha256

    def detect(self, photo):
        return []


def test_with_crops_as_output_every_face_has_its_own(small_photos, tiny_bundle, tmp_path):
    settings = make_settings(small_photos, tmp_path, tiny_bundle, "smile=+1", output="crop", format="webp")
    run_shards(settings)
    rows = rows_by_photo(settings, settings.products[0])["three.webp"]
    assert len({row["out_key"] for row in rows}) == 3
    assert all((row["out_width"], row["out_height"], row["out_format"]) == (32, 32, "webp") for row in rows)
    assert decode_photo(stored(settings, rows[0]["out_key"])).shape == (32, 32, 3)


def test_the_identity_replaces_and_says_so(small_photos, tiny_bundle, tmp_path):
    settings = make_settings(small_photos, tmp_path, tiny_bundle, "identity", format="jpeg")
    run_shards(settings)
    rows = rows_by_photo(settings, settings.products[0])["portrait.jpg"]
    assert [(row["edit"], row["compose"], row["out_format"]) for row in rows] == [("identity", "replace", "jpeg")]


def test_the_contact_sheet_shows_every_previewed_face(done):
    settings, _ = done
    shards = [receipt.shard_id for receipt in done[1]]
    store = open_store(settings.target)
    sheet = dataset_sheet(store, settings.products, shards)
    columns = 3 + len(settings.products)
    assert sheet is not None and sheet.width > 2 * columns * TILE and sheet.height > 2 * TILE  # three faces, two across
    assert dataset_sheet(store, settings.products, shards, limit=1).width < sheet.width
    assert dataset_sheet(store, settings.products, ["9-000000"]) is None
