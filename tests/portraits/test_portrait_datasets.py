"""Datasets of portraits: written by the studio, read back by the training."""

import json
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from oodinv.portraits import (
    NoOffscreenGl,
    PortraitsError,
    Recipe,
    pack_dataset,
    packing,
    parameter_names,
    render_dataset,
    rendering,
    sample_params,
    to_vector,
)
from oodinv.portraits.accessories import DESIGNS, HELD_OUT_KINDS, SPLITS, designs_of, kinds_of
from oodinv.portraits.alignment import align
from oodinv.portraits.counterfactuals import label_deviation
from oodinv.portraits.recipe import SPLIT_SEEDS, draw_scene
from oodinv.portraits.samples import into_crop
from oodinv.portraits.studio import Portrait, Studio
from oodinv.training.data import DatasetError, assert_disjoint, open_dataset

RECIPE = Recipe(split="test", count=3, crop_size=48, accessory_share=1.0, counterfactuals=("yaw-1",))
FILES = ("shards/000000.tar", "shards/000002.tar", "samples.parquet", "dataset.json", "recipe.json")


@pytest.fixture(scope="module")
def dataset(studio, tmp_path_factory):
    """Three test portraits with accessories and a counterfactual each, one per shard."""
    folder = tmp_path_factory.mktemp("datasets") / "test"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "Studio", lambda: studio)
        patch.setattr(rendering, "SHARD", 1)
        render_dataset(folder, RECIPE, workers=1, progress=False)
    return folder


@pytest.fixture
def one_studio(studio, monkeypatch):
    """Rooms that open a studio of their own get the session's: opening one takes seconds."""
    monkeypatch.setattr(rendering, "Studio", lambda: studio)
    monkeypatch.setattr(rendering, "SHARD", 1)


def test_what_was_rendered_is_what_is_read(dataset):
    data = open_dataset([dataset], progress=False)
    assert len(data) == 3 and data.size == 48 and data.has_masks
    assert data.seeds.tolist() == list(RECIPE.seeds)
    scenes = [draw_scene(RECIPE, seed) for seed in RECIPE.seeds]
    assert data.kinds == [scene.kind for scene in scenes]
    assert data.designs == [scene.design for scene in scenes]
    assert data.parameter_names == parameter_names()
    expected = np.stack([to_vector(sample_params(seed)) for seed in RECIPE.seeds])
    np.testing.assert_allclose(data.params, expected, atol=1e-6)
    assert data.labels["smile"][2] == pytest.approx(sample_params(RECIPE.seeds[2]).smile, abs=1e-6)
    index = np.arange(3)
    assert (data.accessory(index).amax(dim=(1, 2, 3)) > 0.5).all()
    assert (data.silhouette(index).mean(dim=(1, 2, 3)) > 0.2).all()
    lazy = open_dataset([dataset], cache_gib=0.0, progress=False)
    assert (lazy.crops(index) == data.crops(index)).all() and (lazy.accessory(index) == data.accessory(index)).all()


def test_counterfactuals_are_read_with_their_labels(dataset):
    data = open_dataset([dataset], progress=False)
    assert data.counterfactual_names == ("yaw-1",)
    index = np.array([2, 0])
    crops, accessory, silhouette = data.counterfactual("yaw-1", index)
    assert crops.shape == (2, 3, 48, 48) and accessory.shape == silhouette.shape == (2, 1, 48, 48)
    assert (crops - data.crops(index)).abs().mean() > 0.01
    moved = data.counterfactual_labels("yaw-1")
    assert (moved["yaw"] < data.labels["yaw"]).all()
    np.testing.assert_allclose(moved["smile"], data.labels["smile"])
    amounts = (moved["yaw"] - data.labels["yaw"]) / label_deviation("yaw")
    np.testing.assert_allclose(data.counterfactual_amounts("yaw-1"), amounts, atol=1e-4)
    with pytest.raises(DatasetError, match=r"no counterfactual 'age\+1': this dataset has yaw-1"):
        data.counterfactual("age+1", index)


def test_landmarks_lie_on_the_face_in_order_at_every_size(dataset):
    data, half = (open_dataset([dataset], size=size, progress=False) for size in (48, 24))
    np.testing.assert_allclose(half.landmarks * 2, data.landmarks, rtol=1e-5)
    for marks in data.landmarks:
        assert marks.min() > 0 and marks.max() < 48
        eyes, nose, mouth = marks[36:48].mean(0), marks[30], marks[48:].mean(0)
        assert eyes[1] < nose[1] < mouth[1] < marks[8, 1]
        assert marks[36:42, 0].mean() < marks[42:48, 0].mean()
        assert abs(eyes[0] - 24) < 6 and abs(mouth[0] - 24) < 8  # where an aligned crop has them


def test_the_folder_is_a_web_dataset_with_a_table_for_people(dataset):
    with tarfile.open(dataset / "shards/000001.tar") as archive:
        names, key = archive.getnames(), f"{RECIPE.seeds[1]:08d}"
        assert all(name.startswith(f"{key}.") for name in names)
        rest = {name.removeprefix(f"{key}.") for name in names}
        assert {"jpg", "accessory.png", "silhouette.png", "json", "yaw-1.jpg", "yaw-1.accessory.png"} <= rest
        assert all(member.mtime == 0 and not member.uname for member in archive.getmembers())
        assert Image.open(archive.extractfile(f"{key}.jpg")).size == (48, 48)
    table = pq.read_table(dataset / "samples.parquet").to_pydict()
    assert table["seed"] == list(RECIPE.seeds)
    assert table["design"] == [draw_scene(RECIPE, seed).design for seed in RECIPE.seeds]
    assert len(table["landmarks"][0]) == 68 and table["yaw-1.yaw"][0] < table["yaw"][0]
    about = json.loads((dataset / "dataset.json").read_text())
    assert (about["format"], about["count"], about["split"]) == (1, 3, "test")


def test_an_interrupted_dataset_goes_on_where_it_stopped_and_ends_the_same(
    one_studio, dataset, studio, tmp_path, monkeypatch
):
    rendered = []

    class Flaky(Studio):
        def __init__(self): ...

        def render(self, params, **options):
            if len(rendered) == 5:
                raise KeyboardInterrupt
            rendered.append(options["seed"])
            return studio.render(params, **options)

    monkeypatch.setattr(rendering, "Studio", Flaky)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path, RECIPE, workers=1, progress=False)
    assert (tmp_path / "shards/000000.tar").exists() and not (tmp_path / "dataset.json").exists()
    with pytest.raises(DatasetError, match="not rendered to its end"):
        open_dataset([tmp_path], progress=False)
    before = len(rendered)
    monkeypatch.setattr(rendering, "Studio", lambda: studio)
    render_dataset(tmp_path, RECIPE, workers=1, progress=False)
    assert before == 5
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (dataset / name).read_bytes(), name


def test_a_finished_dataset_is_not_rendered_again_and_another_recipe_is_refused(dataset, one_studio, monkeypatch):
    monkeypatch.setattr(rendering, "Studio", None)  # would fail if called
    assert render_dataset(dataset, RECIPE, workers=1, progress=False).samples == 3
    with pytest.raises(PortraitsError, match="holds a dataset of another recipe"):
        render_dataset(dataset, replace(RECIPE, count=4), workers=1, progress=False)


def test_a_dataset_begun_by_another_version_is_not_gone_on_with(damaged, one_studio, monkeypatch):
    monkeypatch.setattr(rendering, "STUDIO_VERSION", 99)
    assert render_dataset(damaged, RECIPE, workers=1, progress=False).samples == 3  # it is finished: nothing to mix
    (damaged / "dataset.json").unlink()
    with pytest.raises(PortraitsError, match=r"begun by other versions, .*'studio': 1, .* here are .*'studio': 99"):
        render_dataset(damaged, RECIPE, workers=1, progress=False)


def test_a_finished_dataset_without_a_shard_is_not_taken_for_whole(damaged, one_studio):
    (damaged / "shards/000001.tar").unlink()
    with pytest.raises(PortraitsError, match=r"lacks 1 of 3 shards, first 000001\.tar: copy it again, or delete"):
        render_dataset(damaged, RECIPE, workers=1, progress=False)


def test_a_folder_that_another_process_writes_is_refused(tmp_path, one_studio):
    from oodinv.portraits.shard_files import claimed

    with claimed(tmp_path, RECIPE.as_json()), pytest.raises(PortraitsError, match="being written by another process"):
        render_dataset(tmp_path, RECIPE, workers=1, progress=False)


def test_a_full_disk_is_told_and_what_is_rendered_stays(one_studio, tmp_path, monkeypatch):
    replace_file = os.replace

    def full(source, target):
        if str(target).endswith("000001.tar"):
            raise OSError(28, "No space left on device")
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", full)
    recipe = replace(RECIPE, count=2, counterfactuals=())
    with pytest.raises(PortraitsError, match="No space left on device; mend that and run the same command again"):
        render_dataset(tmp_path, recipe, workers=1, progress=False)
    assert (tmp_path / "shards/000000.tar").exists()


def test_a_portrait_without_a_face_is_left_out_and_counted(one_studio, detector, tmp_path, monkeypatch):
    monkeypatch.setattr(type(detector), "detect", lambda self, photo: [])
    recipe = replace(RECIPE, count=2, accessory_share=0.0, counterfactuals=())
    summary = render_dataset(tmp_path, recipe, workers=1, progress=False)
    assert (summary.samples, summary.skipped, summary.skipped_by_kind) == (0, 2, {"none": "2/2"})
    with pytest.raises(DatasetError, match="holds no samples"):
        open_dataset([tmp_path], progress=False)


def test_a_pack_is_the_same_dataset_smaller_and_within_its_limit(dataset, tmp_path):
    made = pack_dataset(dataset, tmp_path / "whole", size=24, max_mib=1.0, progress=False)
    assert (made.samples, made.left_out) == (3, 0)
    whole, small = open_dataset([dataset], progress=False), open_dataset([tmp_path / "whole"], progress=False)
    index = np.arange(3)
    assert small.size == 24 and small.designs == whole.designs and small.counterfactual_names == ("yaw-1",)
    assert (small.crops(index) - whole.crops(index, 24)).abs().mean() < 0.04
    np.testing.assert_allclose(small.landmarks, whole.landmarks / 2, atol=0.01)
    np.testing.assert_array_equal(small.params, whole.params)
    tight = pack_dataset(dataset, tmp_path / "tight", size=24, max_mib=0.1, progress=False)
    files = [path for path in (tmp_path / "tight").rglob("*") if path.is_file()]
    assert 0 < tight.samples < 3 and sum(path.stat().st_size for path in files) <= 0.1 * 2**20


def test_a_pack_written_again_has_nothing_of_the_former_one(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_PER_SHARD", 1)
    options = {"size": 24, "max_mib": 1.0, "progress": False}
    pack_dataset(dataset, tmp_path / "pack", **options)
    (tmp_path / "pack/shards/000003.tar").write_bytes(b"left by a larger pack")

    def full(*_):
        assert not (tmp_path / "pack/dataset.json").exists()  # while it is written, nobody takes it for a whole one
        raise PortraitsError("full")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(PortraitsError, match="full"):
        patch.setattr(packing, "write_shard", full)
        pack_dataset(dataset, tmp_path / "pack", **options)
    pack_dataset(dataset, tmp_path / "pack", **options)
    assert {path.name for path in (tmp_path / "pack/shards").iterdir()} == {f"00000{n}.tar" for n in range(3)}
    assert len(open_dataset([tmp_path / "pack"], progress=False)) == 3


def test_a_pack_larger_than_its_limit_is_no_pack(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_ROW_BYTES", -100_000)  # an estimate that was too small
    monkeypatch.setattr(packing, "_ABOUT_BYTES", 0)
    with pytest.raises(PortraitsError, match=r"3 samples came to 0\.\d+ MiB, more than the 0.02 allowed"):
        pack_dataset(dataset, tmp_path, size=24, max_mib=0.02, progress=False)
    with pytest.raises(DatasetError, match="not rendered to its end"):
        open_dataset([tmp_path], progress=False)


def test_a_pack_is_made_of_the_shards_that_the_dataset_has(damaged, tmp_path):
    (damaged / "shards/000001.tar").unlink()
    with pytest.raises(PortraitsError, match="should hold 3 samples and holds 1"):
        pack_dataset(damaged, tmp_path / "pack", size=24, max_mib=1.0, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 64}, "crops of 48 pixels become smaller, not larger: got a size of 64"),
        ({"max_mib": 0.07}, "do not hold one sample"),
        ({"quality": 0}, "quality from 1 to 100"),
    ],
)
def test_a_pack_that_cannot_be_is_refused(dataset, tmp_path, change, message):
    with pytest.raises(PortraitsError, match=message):
        pack_dataset(dataset, tmp_path, **{"size": 24, "max_mib": 1.0, "progress": False, **change})


def test_only_finished_datasets_are_packed(tmp_path):
    with pytest.raises(PortraitsError, match="no finished dataset of portraits"):
        pack_dataset(tmp_path, tmp_path / "out", size=24, max_mib=1.0)


@pytest.fixture
def damaged(dataset, tmp_path):
    """A copy of the dataset to damage."""
    import shutil

    shutil.copytree(dataset, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    return tmp_path / "copy"


def test_a_shard_that_is_cut_off_or_gone_is_told(damaged):
    shard = damaged / "shards/000001.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DatasetError, match=r"000001\.tar is not a whole tar archive|should hold 3 samples"):
        open_dataset([damaged], progress=False)
    shard.unlink()
    with pytest.raises(DatasetError, match=r"should hold 3 samples .* holds 2"):
        open_dataset([damaged], progress=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"format": 2, "crop_size": 48}', "expected a dataset of format 1, got 2"),
        ('{"format": 1}', "expected a dataset of format 1"),
    ],
)
def test_a_foreign_description_is_refused(damaged, text, message):
    (damaged / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_dataset([damaged], progress=False)


def test_splits_share_no_seed_and_no_design():
    for first in SPLITS:
        for second in SPLITS:
            if first != second:
                assert not set(SPLIT_SEEDS[first]) & {SPLIT_SEEDS[second].start, SPLIT_SEEDS[second].stop - 1}
                names = [{d.name for kind in kinds_of(s) for d in designs_of(kind, s)} for s in (first, second)]
                assert not names[0] & names[1]
    for kind in kinds_of("train"):
        assert len(designs_of(kind, "train")) >= 2 and designs_of(kind, "val") and designs_of(kind, "test")
    assert set(kinds_of("test")) - set(kinds_of("train")) == set(HELD_OUT_KINDS)
    assert len(DESIGNS) == sum(len(designs_of(kind)) for kind in kinds_of("test"))


def test_scenes_of_a_split_use_its_designs_alone_and_keep_their_shares():
    for split in SPLITS:
        recipe = Recipe(split=split, count=1500, accessory_share=0.5, busy_share=0.25)
        scenes = [draw_scene(recipe, seed) for seed in recipe.seeds]
        designs = {scene.design for scene in scenes if scene.design}
        assert designs == {d.name for kind in kinds_of(split) for d in designs_of(kind, split)}
        assert np.mean([scene.kind is not None for scene in scenes]) == pytest.approx(0.5, abs=0.05)
        assert np.mean([scene.background == "busy" for scene in scenes]) == pytest.approx(0.25, abs=0.05)


def test_the_same_portraits_rendered_twice_are_found_to_overlap(dataset):
    data = open_dataset([dataset], progress=False)
    with pytest.raises(DatasetError, match="share 3 seeds"):
        assert_disjoint(data, data.subset(slice(0, 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "split 'test' has 1000000 seeds"),
        ({"start": 999_998}, "got count 3 and start 999998"),
        ({"crop_size": 8}, "at least 16 pixels, got 8"),
        ({"kinds": ("crown",)}, r"got \['crown'\]"),
        ({"split": "train", "kinds": ("face_mask",)}, r"kinds of the split 'train', .* got \['face_mask'\]"),
        ({"accessory_share": 1.5}, r"accessory_share must lie in \[0, 1\], got 1.5"),
        ({"counterfactuals": ("smile",)}, r"such as smile\+2, .* got 'smile'"),
        ({"counterfactuals": ("beard+1",)}, "got 'beard"),
        ({"counterfactuals": ("age+0",)}, "got 'age"),
    ],
)
def test_a_recipe_out_of_range_is_refused(change, message):
    with pytest.raises(PortraitsError, match=message):
        replace(RECIPE, **change)


def test_the_identity_crop_keeps_every_pixel_of_photo_and_masks():
    rng = np.random.default_rng(0)
    photo, mask, person = (rng.integers(0, 256, shape, np.uint8) for shape in ((32, 32, 3), (32, 32), (32, 32)))
    portrait = Portrait(photo=photo, accessory_mask=mask, silhouette=person, landmarks=np.zeros((68, 2)))
    cut = align(portrait, np.array([[1.0, 0, 0], [0, 1.0, 0]]), 32)
    np.testing.assert_array_equal(cut.crop, photo.transpose(2, 0, 1))
    np.testing.assert_array_equal(cut.accessory, mask)
    np.testing.assert_array_equal(cut.silhouette, person)


def test_beyond_the_photo_masks_are_empty_while_the_photo_is_mirrored():
    full = np.full((32, 32), 255, np.uint8)
    photo = np.full((32, 32, 3), 200, np.uint8)
    portrait = Portrait(photo=photo, accessory_mask=full, silhouette=full, landmarks=np.zeros((68, 2)))
    cut = align(portrait, np.array([[1.0, 0, -16], [0, 1.0, 0]]), 32)
    assert not cut.accessory[:, :15].any() and not cut.silhouette[:, :15].any()
    assert (cut.accessory[:, 17:] == 255).all()
    assert (cut.crop == 200).all()


def test_points_go_into_the_crop_and_back():
    transform = np.array([[1.5, -0.3, 20.0], [0.3, 1.5, -4.0]])
    points = np.random.default_rng(0).uniform(0, 100, (68, 2))
    back = into_crop(points, transform) @ transform[:, :2].T + transform[:, 2]
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_a_process_without_a_studio_says_why_when_it_is_given_work(tmp_path, monkeypatch):
    def no_studio():
        raise NoOffscreenGl("no OpenGL context without a screen")

    monkeypatch.setattr(rendering, "Studio", no_studio)
    monkeypatch.setattr(rendering, "_end_with_parent", lambda: None)
    monkeypatch.setattr(rendering, "_process", {})
    rendering._start(None, str(tmp_path / "lock"))  # an exception in here is what a pool reports as a killed process
    with pytest.raises(NoOffscreenGl, match="without a screen"):
        rendering._in_worker(RECIPE, tmp_path / "shard.tar", RECIPE.seeds)
    assert type(pickle.loads(pickle.dumps(NoOffscreenGl("why")))) is NoOffscreenGl  # so that it reaches the parent


RENDER = """
import sys
from pathlib import Path
from oodinv.portraits import Recipe, render_dataset, rendering
if __name__ == "__main__":
    rendering.SHARD = 1
    recipe = Recipe(split="val", count=4, crop_size=32)
    render_dataset(Path(sys.argv[1]), recipe, workers=int(sys.argv[2]), progress=False)
"""


@pytest.mark.slow
def test_a_killed_run_of_two_processes_resumes_to_the_bytes_of_one_undisturbed_process(studio, tmp_path):
    script = tmp_path / "render.py"
    script.write_text(RENDER)
    subprocess.run([sys.executable, script, tmp_path / "one", "1"], check=True)
    run = subprocess.Popen([sys.executable, script, tmp_path / "two", "2"], start_new_session=True)
    while not list(tmp_path.glob("two/shards/*.tar")):
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _alive(run.pid):
        time.sleep(0.1)
    assert not _alive(run.pid), "its processes outlived it"
    assert not (tmp_path / "two" / "dataset.json").exists()
    subprocess.run([sys.executable, script, tmp_path / "two", "2"], check=True)
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


def _alive(session):
    """Whether a process of the session still runs."""
    found = subprocess.run(["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True).stdout.split()
    return any(not state.startswith("Z") for state in found)
