"""What was trained on is not measured on."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_shards import write_shards

from oodinv.evaluation.judges import Judges
from oodinv.evaluation.protocol import _dataset
from oodinv.evaluation.run import _with_overlaps
from oodinv.evaluation.settings import Settings
from oodinv.training.data import Dataset, join_datasets, open_dataset
from oodinv.training.errors import TrainingError
from oodinv.training.job import TrainingJob, run_job
from oodinv.training.loop import LoopOptions
from oodinv.training.recipes import recipe
from oodinv.training.regressor import RegressorTraining
from oodinv.training.seen import Seen, refuse_test

CROPS = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), np.uint8)


def portraits(seeds, designs=None):
    return Dataset.from_arrays(crops=CROPS[: len(seeds)], seeds=np.array(seeds), designs=designs)


def test_seeds_are_kept_as_ranges_and_overlaps_are_counted(tmp_path):
    data = portraits([7, 3, 4, 5, 20], designs=["round", "", "square", "", "round"])
    seen = Seen.of(data)
    assert seen.seeds == ((3, 5), (7, 7), (20, 20)) and seen.pictures == () and seen.designs == ("round", "square")
    seen.write(tmp_path, "regressor")
    assert Seen.read(tmp_path, "regressor") == seen and Seen.read(tmp_path, "encoder") is None
    assert seen.shared_with(data) == "5 seeds, 2 accessory designs"
    assert seen.shared_with(portraits([2, 6, 8, 19, 21, 100])) == ""
    assert seen.shared_with(portraits([5, 6])) == "1 seeds"


def test_photos_are_told_by_what_they_hold(tmp_path):
    photos = Dataset.from_arrays(crops=CROPS)
    seen = Seen.of(photos.subset(slice(4)))
    assert len(seen.pictures) == 4 and seen.seeds == ()
    assert seen.shared_with(photos.subset(slice(2, 6))) == "2 pictures"
    assert seen.shared_with(photos.subset(slice(4, 6))) == ""
    (tmp_path / "encoder.seen.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"encoder\.seen\.json cannot be read"):
        Seen.read(tmp_path, "encoder")


def test_a_test_split_is_not_trained_on_and_a_training_says_what_it_saw(tmp_path):
    test = write_shards(tmp_path / "test", facts=[{}] * 4, split="test")
    train = write_shards(tmp_path / "train", facts=[{"labels": {"smile": float(n)}} for n in range(4)], noise=1)
    both = open_dataset([train, test], progress=False)
    assert both.splits == ("test", "train")
    with pytest.raises(TrainingError, match=r"test split.*--split train"):
        refuse_test(both)
    config = recipe("regressor").config(resolution=16, widths=(4, 4), training=RegressorTraining(images=4, batch=2))
    job = TrainingJob(
        kind="regressor", config=config, data=(train,), out=tmp_path / "out", device="cpu",
        options=LoopOptions(progress=False),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="holds the test split"):
        run_job(replace(job, data=(test,)))
    assert run_job(job).finished
    assert json.loads((tmp_path / "out" / "regressor.seen.json").read_text())["seeds"] == [[0, 3]]
    judges = Judges(told={"regressor": "sha256 12"})
    told = _with_overlaps(judges, tmp_path / "out" / "regressor.safetensors", {"mine": both}).told["regressor"]
    assert told == "sha256 12; NOT INDEPENDENT: trained on 8 seeds of dataset mine"
    assert "not known what" in _with_overlaps(judges, tmp_path / "x.safetensors", {}).told["regressor"]
    assert "split train: NOT HELD OUT" in _dataset(train, both, Settings())
    assert "NOT HELD OUT" not in _dataset(test, both, Settings())


def test_joined_portraits_of_one_split_are_of_that_split():
    part = replace(portraits([1, 2]), splits=("val",))
    assert join_datasets([part, replace(portraits([3]), splits=("val",))]).splits == ("val",)
    refuse_test(part)
