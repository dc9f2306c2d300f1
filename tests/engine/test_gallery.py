"""The gallery of a real dataset: what is live, and nothing else, is shown."""

import io
import shutil

import numpy as np
import pytest
from example_photos import EXAMPLES
from memory_store import MemoryStore
from PIL import Image
from shard_runs import make_settings, plan_jobs, read_rows, rows_by_photo, run_shards

from oodinv.engine.edit_stage import EditStage
from oodinv.engine.gallery import collect_gallery, dataset_gallery
from oodinv.engine.outcome import Reason
from oodinv.engine.strips import TILE, split_strip
from oodinv.ledger import LedgerError, sample_id
from oodinv.report.gallery import GalleryFacts
from oodinv.store import open_store

EDITS = ("smile=+1.5", "age=-1,yaw=+1")
SHOWN = ["portrait.jpg", "three.webp", "three.webp", "three.webp"]


def run(source, target, bundle, *edits, previews=("portrait.jpg", "three.webp"), **options):
    """Compute what is missing and publish it; the target."""
    ids = [sample_id(key) for key in previews]
    settings = make_settings(source, target, bundle, *edits, previews=ids)
    run_shards(settings, shard_size=3, **options)
    read_rows(settings)  # publishes the snapshot
    return settings


@pytest.fixture(scope="module")
def settings(small_photos, tiny_bundle, tmp_path_factory):
    """Two edits of four photos, two of them previewed; nothing is changed."""
    return run(small_photos, tmp_path_factory.mktemp("gallery") / "holiday", tiny_bundle, *EDITS)


@pytest.fixture(scope="module")
def shown(settings):
    return collect_gallery(open_store(settings.target))


@pytest.fixture
def photos(small_photos, tmp_path):
    """A source to change."""
    return shutil.copytree(small_photos, tmp_path / "photos")


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(float)


def test_every_previewed_face_has_a_card(shown):
    assert [card.key for card in shown.faces] == SHOWN
    assert [(card.face_index, card.num_faces) for card in shown.faces] == [(0, 1), (0, 3), (1, 3), (2, 3)]
    assert shown.edits == ["age −1, yaw +1", "smile +1.5"]
    assert all(edit.status == "ok" and edit.result and edit.mask for card in shown.faces for edit in card.edits)


def test_the_numbers_are_those_of_the_rows(settings, shown):
    for product, index in ((settings.products[0], 1), (settings.products[1], 0)):
        rows = rows_by_photo(settings, product)
        for card in shown.faces:
            row, edit = rows[card.key][card.face_index], card.edits[index]
            assert (edit.ood_area, edit.recon_psnr) == (row["ood_area"], row["recon_psnr"])
            assert edit.id_similarity is None


def test_the_pictures_are_the_parts_of_the_strips(settings, shown):
    store, name = open_store(settings.target), f"/{sample_id('portrait.jpg')}-0-preview.jpg"
    (key,) = [info.key for info in store.list(f"products/{settings.products[0].name}/data/") if info.key.endswith(name)]
    strip = split_strip(np.asarray(Image.open(io.BytesIO(store.get(key)))))
    card = shown.faces[0]
    pictures = {"photo": card.photo, "reconstruction": card.reconstruction, "result": card.edits[1].result}
    for name, jpeg in pictures.items():
        assert pixels(jpeg).shape == (TILE, TILE, 3)
        errors = {other: np.abs(pixels(jpeg) - tile).mean() for other, tile in strip.items()}
        assert min(errors, key=errors.get) == name and errors[name] < 5
    mask = Image.fromarray(strip["mask"]).resize((TILE // 2, TILE // 2), Image.Resampling.BOX)
    assert np.abs(pixels(card.edits[1].mask) - np.asarray(mask)).mean() < 5


def test_counts_and_failures_are_the_snapshots(shown):
    assert (shown.title, shown.num_inputs, shown.snapshot) == ("holiday", 4, 1)
    assert [product.label for product in shown.products] == ["faces", *shown.edits]
    assert all(dict(p.samples) == {"ok": 3, "skipped": 1, "failed": 0, "quarantined": 0} for p in shown.products)
    (table,) = shown.failures
    assert (table.key, table.status, table.error_class, table.edits) == ("table.jpg", "skipped", "no-face", [0, 1])
    assert not any(shown.unlisted.values())


def test_the_same_dataset_gives_the_same_bytes_wherever_it_lies(settings):
    store = open_store(settings.target)
    copy = MemoryStore(objects={info.key: store.get(info.key) for info in store.list()}, uri="s3://bucket/holiday")
    pages = {dataset_gallery(store), dataset_gallery(store), dataset_gallery(copy)}
    assert len(pages) == 1
    assert settings.target not in pages.pop()  # no path of this machine


def test_the_caller_names_the_page_and_adds_facts(settings):
    facts = GalleryFacts(title="Run 7", pairs=[("photos/s", "0.56"), ("cost", "$ 3 & more")])
    page = dataset_gallery(open_store(settings.target), facts=facts)
    assert "<title>Run 7 · gallery</title>" in page
    assert "<dt>photos/s</dt><dd>0.56</dd>" in page and "<dt>cost</dt><dd>$ 3 &amp; more</dd>" in page


def test_only_so_many_faces_are_shown_and_those_have_the_smallest_ids(settings):
    found = collect_gallery(open_store(settings.target), limit=2)
    ids = sorted(
        (sample_id(key), index) for key, index in [("portrait.jpg", 0), *(("three.webp", i) for i in range(3))]
    )
    assert sorted((card.sample_id, card.face_index) for card in found.faces) == ids[:2]


def test_a_replaced_photo_is_never_shown_as_it_was(photos, tiny_bundle, tmp_path):
    target = tmp_path / "out"
    store = open_store(run(photos, target, tiny_bundle).target)
    before = {card.key: card.photo for card in collect_gallery(store).faces}
    Image.open(photos / "portrait.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "portrait.jpg")
    run(photos, target, tiny_bundle)
    after = {card.key: card.photo for card in collect_gallery(store).faces}
    assert np.abs(pixels(after["portrait.jpg"]) - pixels(before["portrait.jpg"])).mean() > 5
    assert after["three.webp"] == before["three.webp"]

    (photos / "portrait.jpg").write_bytes(b"no picture any more")
    run(photos, target, tiny_bundle)
    found = collect_gallery(store)
    assert {card.key for card in found.faces} == {"three.webp"}  # though the old strips are all still there
    assert {failure.key for failure in found.failures} == {"portrait.jpg", "table.jpg"}


def test_a_photo_that_could_not_be_written_is_not_shown(photos, tiny_bundle, tmp_path, monkeypatch):
    full = Reason(status="failed", stage="encode", error_class="too-wide", error_message="no format holds it")
    monkeypatch.setattr(EditStage, "_whole_photo", lambda *arguments: full.fields())
    found = collect_gallery(open_store(run(photos, tmp_path / "out", tiny_bundle).target))
    assert any(info.key.endswith("-preview.jpg") for info in open_store(str(tmp_path / "out")).list())
    assert found.faces == [] and "no format holds it" in {failure.message for failure in found.failures}


def test_an_attempt_that_was_never_published_is_not_shown(settings, shown):
    store = open_store(settings.target)
    copy = MemoryStore(objects={info.key: store.get(info.key) for info in store.list()})
    strip = next(key for key in copy.objects if key.endswith("-preview.jpg"))
    folder, _, attempt, name = strip.rsplit("/", 3)[0], *strip.rsplit("/", 3)[1:]
    copy.put(f"{folder}/{attempt}/{'0' * 32}/{name}", b"half a strip")
    copy.put(strip.replace(name, f"{sample_id('astronaut.png')}-0-preview.jpg"), copy.objects[strip])
    assert [card.key for card in collect_gallery(copy).faces] == SHOWN


def test_an_edit_that_is_not_computed_yet_is_pending(photos, tiny_bundle, tmp_path):
    run(photos, tmp_path / "out", tiny_bundle, "smile=+1.5")
    two = make_settings(photos, tmp_path / "out", tiny_bundle, *EDITS, previews=[sample_id("portrait.jpg")])
    # The second edit gets as far as one shard; the previewed portrait lies in the other or in this one.
    run_shards(two, shard_size=3, order=lambda jobs: jobs[1:])
    read_rows(two)
    found = collect_gallery(open_store(two.target))
    states = {(card.key, card.face_index): [edit.status for edit in card.edits] for card in found.faces}
    assert states == {
        ("portrait.jpg", 0): ["pending", "ok"],
        **{("three.webp", index): ["ok", "ok"] for index in range(3)},
    }
    three = found.faces[1].edits
    assert three[0].result is None and three[0].ood_area is not None  # done, but nobody asked for its preview
    assert "pending" in dataset_gallery(open_store(two.target))


def test_quarantined_and_unreadable_photos_are_listed_worst_first(photos, tiny_bundle, tmp_path):
    (photos / "broken.jpg").write_bytes((photos / "portrait.jpg").read_bytes()[:300])
    poison = sample_id("astronaut.png")
    settings = run(photos, tmp_path / "out", tiny_bundle, quarantine=[poison])
    found = collect_gallery(open_store(settings.target)).failures
    assert [(failure.key, failure.status) for failure in found] == [
        ("astronaut.png", "quarantined"),
        ("broken.jpg", "failed"),
        ("table.jpg", "skipped"),
    ]
    assert all(failure.message and failure.edits == [0] for failure in found)


def test_products_of_one_edit_are_told_apart(photos, tiny_bundle, tmp_path):
    first = run(photos, tmp_path / "out", tiny_bundle, "smile=+1.5")
    second = make_settings(photos, tmp_path / "out", tiny_bundle, "smile=+1.5", format="jpeg")
    run_shards(second, shard_size=3)
    read_rows(second)
    names = sorted(settings.products[0].name[-8:] for settings in (first, second))
    assert collect_gallery(open_store(first.target)).edits == [f"smile +1.5 {name}" for name in names]


def test_32_faces_in_three_edits_stay_below_three_megabytes(tiny_bundle, tmp_path):
    (tmp_path / "photos").mkdir()
    names = ["astronaut-eileen-collins.jpg", "hat.jpg", "portrait-03.jpg", "group-of-three.jpg"]
    for name in names:  # in full size: small photos make small pictures
        shutil.copy(EXAMPLES / name, tmp_path / "photos")
    settings = run(tmp_path / "photos", tmp_path / "out", tiny_bundle, "smile=+2", "age=+2", "yaw=+1", previews=names)
    store = open_store(settings.target)
    assert len(collect_gallery(store).faces) == 6
    assert len(dataset_gallery(store)) / 6 * 32 < 3e6


def test_a_dataset_without_previews_says_so(small_photos, tiny_bundle, tmp_path):
    settings = run(small_photos, tmp_path, tiny_bundle, previews=())
    assert "There are no previews in this dataset" in dataset_gallery(open_store(settings.target))


def test_a_planned_dataset_says_that_nothing_is_published(small_photos, tiny_bundle, tmp_path):
    plan_jobs(make_settings(small_photos, tmp_path, tiny_bundle))
    page = dataset_gallery(open_store(str(tmp_path)))
    assert "Nothing is published here yet" in page and "4 photos" in page


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="this is not a dataset yet"):
        dataset_gallery(open_store(str(tmp_path)))


def test_a_preview_that_is_gone_or_damaged_is_an_error(settings):
    store = open_store(settings.target)
    whole = {info.key: store.get(info.key) for info in store.list()}
    strip = next(key for key in whole if key.endswith("-preview.jpg"))
    for objects in ({**whole, strip: b"other"}, {key: data for key, data in whole.items() if key != strip}):
        with pytest.raises(LedgerError, match="restore it"):
            dataset_gallery(MemoryStore(objects=objects))
