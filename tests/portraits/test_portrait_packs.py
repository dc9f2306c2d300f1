import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from oodinv.portraits import build_pack, pack, parameter_names, render_dataset, sample_params, to_vector
from oodinv.portraits.alignment import align
from oodinv.portraits.examples import PORTRAITS
from oodinv.portraits.recipe import PackRecipe, draw_scene
from oodinv.portraits.scenes import group_photo, still_life
from oodinv.portraits.studio import Portrait

OPTIONS = {"count": 3, "first_seed": 1_000_000, "crop_size": 48, "accessory_share": 1.0, "progress": False}


@pytest.fixture
def one_studio(studio, monkeypatch):
    """Rooms that open a studio of their own get the session's: opening one takes seconds."""
    monkeypatch.setattr(pack, "Studio", lambda: studio)
    monkeypatch.setattr("oodinv.portraits.dataset.Studio", lambda: studio)


def test_a_pack_of_three_holds_crops_masks_parameters_and_labels(one_studio, tmp_path):
    summary = build_pack(tmp_path / "p", **OPTIONS)
    assert (summary.samples, summary.skipped) == (3, 0)
    arrays = {name: np.load(tmp_path / "p" / f"{name}.npy") for name in ("crops", "accessory", "silhouette", "params")}
    assert arrays["crops"].shape == (3, 3, 48, 48) and arrays["crops"].dtype == np.uint8
    assert arrays["accessory"].shape == arrays["silhouette"].shape == (3, 48, 48)
    assert arrays["params"].shape == (3, len(parameter_names()))
    assert arrays["accessory"].any(axis=(1, 2)).all()
    seeds = np.load(tmp_path / "p" / "seeds.npy")
    np.testing.assert_array_equal(arrays["params"][1], to_vector(sample_params(int(seeds[1]))))
    with np.load(tmp_path / "p" / "labels.npz") as labels:
        assert labels["smile"][2] == np.float32(sample_params(int(seeds[2])).smile)
    kinds = json.loads((tmp_path / "p" / "kinds.json").read_text())
    assert len(kinds) == 3 and None not in kinds
    assert json.loads((tmp_path / "p" / "pack.json").read_text())["parameter_names"] == list(parameter_names())
    assert not (tmp_path / "p" / "chunks").exists()


def test_an_interrupted_pack_goes_on_where_it_stopped_and_ends_the_same(one_studio, studio, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "CHUNK", 1)
    build_pack(tmp_path / "whole", **OPTIONS)
    rendered = []

    class Flaky:
        def render(self, params, **options):
            if len(rendered) == 2:
                raise KeyboardInterrupt
            rendered.append(options["seed"])
            return studio.render(params, **options)

    monkeypatch.setattr(pack, "Studio", Flaky)
    with pytest.raises(KeyboardInterrupt):
        build_pack(tmp_path / "cut", **OPTIONS)
    assert not (tmp_path / "cut" / "pack.json").exists()
    monkeypatch.setattr(pack, "Studio", lambda: studio)
    build_pack(tmp_path / "cut", **OPTIONS)
    for name in ("crops.npy", "accessory.npy", "silhouette.npy", "params.npy", "pack.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_folder_with_another_recipe_is_refused(one_studio, tmp_path):
    build_pack(tmp_path, **OPTIONS)
    with pytest.raises(ValueError, match="holds a pack of another recipe"):
        build_pack(tmp_path, **{**OPTIONS, "first_seed": 5})


def test_a_portrait_without_a_face_is_left_out_and_counted(one_studio, tmp_path, monkeypatch):
    class Blind:
        def detect(self, photo):
            return []

    monkeypatch.setattr(pack, "load_detector", lambda name: Blind())
    monkeypatch.setattr("oodinv.portraits.pack.find_and_align", lambda portrait, detector, size: None)
    summary = build_pack(tmp_path, **{**OPTIONS, "accessory_share": 0.0})
    assert (summary.samples, summary.skipped, summary.skipped_by_kind) == (0, 3, {"none": "3/3"})
    assert np.load(tmp_path / "crops.npy").shape == (0, 3, 48, 48)


def test_the_identity_crop_keeps_every_pixel_of_photo_and_masks():
    rng = np.random.default_rng(0)
    photo, mask, person = (rng.integers(0, 256, shape, np.uint8) for shape in ((32, 32, 3), (32, 32), (32, 32)))
    portrait = Portrait(photo=photo, accessory_mask=mask, silhouette=person)
    cut = align(portrait, np.array([[1.0, 0, 0], [0, 1.0, 0]]), 32)
    np.testing.assert_array_equal(cut.crop, photo.transpose(2, 0, 1))
    np.testing.assert_array_equal(cut.accessory, mask)
    np.testing.assert_array_equal(cut.silhouette, person)


def test_beyond_the_photo_masks_are_empty_while_the_photo_is_mirrored():
    full = np.full((32, 32), 255, np.uint8)
    portrait = Portrait(photo=np.full((32, 32, 3), 200, np.uint8), accessory_mask=full, silhouette=full)
    cut = align(portrait, np.array([[1.0, 0, -16], [0, 1.0, 0]]), 32)
    assert not cut.accessory[:, :15].any() and not cut.silhouette[:, :15].any()
    assert (cut.accessory[:, 17:] == 255).all()
    assert (cut.crop == 200).all()


def test_a_scene_depends_on_its_seed_alone_and_shares_are_kept():
    recipe = PackRecipe(
        count=1, first_seed=0, crop_size=48, kinds=("hat", "cap"), accessory_share=0.5, background_share_busy=0.25
    )
    scenes = [draw_scene(recipe, seed) for seed in range(2000)]
    assert np.mean([kind is not None for kind, _ in scenes]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([background == "busy" for _, background in scenes]) == pytest.approx(0.25, abs=0.04)
    assert np.mean([kind == "hat" for kind, _ in scenes]) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"count": 0}, "count >= 1"),
        ({"kinds": ("crown",)}, r"got \['crown'\]"),
        ({"kinds": ()}, "got none"),
        ({"accessory_share": 1.5}, r"accessory_share must lie in \[0, 1\], got 1.5"),
    ],
)
def test_a_recipe_out_of_range_is_refused(tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        build_pack(tmp_path, **{**OPTIONS, **change})


def test_the_command_says_what_is_wrong_and_returns_two(tmp_path, capsys):
    assert pack.main(["--out", str(tmp_path), "--count", "0"]) == 2
    assert "count >= 1" in capsys.readouterr().err


def test_a_dataset_has_photos_masks_and_a_table_of_labels(one_studio, tmp_path):
    assert render_dataset(tmp_path, count=3, first_seed=20, size=64, accessories=True, progress=False) == 3
    table = pq.read_table(tmp_path / "labels.parquet").to_pydict()
    assert table["seed"] == [20, 21, 22]
    for seed, accessory in zip(table["seed"], table["accessory"], strict=True):
        assert Image.open(tmp_path / "photos" / f"{seed}.png").size == (64, 64)
        mask = np.asarray(Image.open(tmp_path / "masks" / f"{seed}.png"))
        assert mask.shape == (64, 64) and mask.any() == (accessory is not None)
        assert np.asarray(Image.open(tmp_path / "silhouettes" / f"{seed}.png")).any()


def test_a_group_of_three_shows_three_faces_and_a_still_life_none(studio, detector):
    photo = group_photo(studio, [9_000_032, 9_000_001, 9_000_033])
    assert photo.shape[0] == 480
    assert len(detector.detect(photo)) == 3
    assert detector.detect(still_life(studio, 9_000_002)) == []


def test_a_group_of_nobody_is_refused(studio):
    with pytest.raises(ValueError, match="at least one seed"):
        group_photo(studio, [])


def test_example_names_are_unique():
    assert len({example.name for example in PORTRAITS}) == len(PORTRAITS)
