"""The project's own format: what is wrong with a dataset of portraits is said, and what is lost too."""

import logging

import pytest
from small_shards import write_shards

from oodinv.models.stylegan2 import GeneratorConfig
from oodinv.training.data import DatasetError, open_dataset
from oodinv.training.errors import TrainingError
from oodinv.training.generator import GeneratorTrainer, GeneratorTraining
from oodinv.training.phases import Phase


def opened(*folders, **options):
    return open_dataset(list(folders), progress=False, **options)


@pytest.mark.parametrize("labels", [{"../../escaped": 1.0}, {"..": 1.0}, {"a/b": 0.0}])
def test_a_label_that_names_a_path_is_refused(tmp_path, labels):
    folder = write_shards(tmp_path / "set", facts=[{}, {"labels": labels}])
    with pytest.raises(DatasetError, match=r"00000001\.json: a label cannot be called"):
        opened(folder)


def test_what_one_sample_lacks_is_told_before_it_is_known_of_none(tmp_path, caplog):
    facts = [{"labels": {"age": 1.0}}, {"labels": {"age": 1.0, "smile": 2.0}, "params": None}, {}]
    folder = write_shards(tmp_path / "set", facts=[*facts, {"labels": {"age": 1.0, "smile": 2.0}}])
    with caplog.at_level(logging.WARNING):
        data = opened(folder)
    assert data.labels == {} and data.params is None and data.landmarks is not None
    assert data.dropped == {
        "params": "1 of 4 samples lack it, the first shards/000000.tar:00000001",
        "label age": "1 of 4 samples lack it, the first shards/000000.tar:00000002",
        "label smile": "1 of 4 samples lack it, the first shards/000000.tar:00000000",
    }
    assert "label smile (1 of 4 samples lack it" in caplog.text and str(folder) in caplog.text


def test_a_generator_does_not_quietly_learn_portraits_as_photos(tmp_path, caplog):
    portraits = write_shards(tmp_path / "portraits", facts=[{}] * 4)
    others = write_shards(tmp_path / "others", facts=[{"params": None}] * 4, noise=1)
    data = opened(portraits, others)
    assert f"params (not in {others})" in caplog.text
    config = GeneratorConfig(resolution=16, channel_base=64, channel_max=4, style_dim=8, z_dim=4, num_mapping_layers=2)
    phases = (Phase(resolution=16, images=8, adversarial=1.0),)
    with pytest.raises(TrainingError, match=r"not known \(not in .*others\).*set training\.paired to false"):
        GeneratorTrainer(data, config, GeneratorTraining(phases=phases, batch=4))
    assert not GeneratorTrainer(data, config, GeneratorTraining(phases=phases, batch=4, paired=False)).paired
