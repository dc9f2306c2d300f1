import numpy as np
import pytest
import torch

from oodinv.training.data import Dataset
from oodinv.training.errors import TrainingError
from oodinv.training.loop import LoopOptions, Trainer
from oodinv.training.regressor import (
    AttributeRegressor,
    RegressorConfig,
    RegressorTrainer,
    RegressorTraining,
    explained,
    train_regressor,
    varying_labels,
)

QUIET = LoopOptions(progress=False)
SMALL = RegressorConfig(labels=("brightness", "slope"), resolution=16, widths=(8, 8))


def shaded(count=64, *, missing=False):
    """Pictures whose brightness and slope are their labels, in units of their own."""
    rng = np.random.default_rng(0)
    brightness, slope = rng.normal(size=count), rng.normal(size=count)
    ramp = np.linspace(-1, 1, 16)[None, None, None, :]
    pixels = 128 + 25 * brightness[:, None, None, None] + 40 * slope[:, None, None, None] * ramp
    pixels = np.broadcast_to(pixels, (count, 3, 16, 16)) + rng.normal(size=(count, 3, 16, 16))
    labels = {"brightness": 7 + 3 * brightness, "slope": -2 * slope, "constant": np.ones(count)}
    if missing:
        labels["slope"][::2] = np.nan
    return Dataset.from_arrays(crops=pixels.clip(0, 255).astype(np.uint8), labels=labels)


def quick(**changed):
    return RegressorTraining(
        **({"images": 960, "batch": 16, "rate": 3e-3, "occluded_share": 0.0, "colour": 0.0, "shift": 0.0} | changed)
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    trainer = RegressorTrainer(shaded(), SMALL, quick())
    assert isinstance(trainer, Trainer)
    for step in range(trainer.steps):
        trainer.step(step)
    return trainer.network()


def test_it_reads_the_attributes_off_the_pictures(learned):
    shares = explained(learned, shaded())
    assert shares["brightness"] > 0.8 and shares["slope"] > 0.8


def test_predictions_are_in_standard_deviations_of_the_training_labels(learned):
    data = shaded()
    told = learned.predict(data.crops(np.arange(64)))
    assert told.keys() == {"brightness", "slope"}
    for name, values in told.items():
        assert values.shape == (64,) and not values.requires_grad
        true = data.labels[name]
        expected = (true - true.mean()) / true.std()
        np.testing.assert_allclose(learned.standardise(name, true), expected, atol=1e-4)
        assert np.corrcoef(values, expected)[0, 1] > 0.9 and 0.8 < values.std() < 1.2
    with pytest.raises(KeyError, match="no attribute 'beard': the regressor knows brightness, slope"):
        learned.standardise("beard", data.labels["slope"])


def test_larger_crops_are_averaged_down(learned):
    crops = shaded().crops(np.arange(4))
    larger = crops.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    torch.testing.assert_close(learned(larger), learned(crops))


def test_what_is_saved_is_loaded(learned, tmp_path):
    learned.save(tmp_path / "eyes.safetensors")
    learned.save(tmp_path)
    for path in (tmp_path / "eyes.safetensors", tmp_path):
        loaded = AttributeRegressor.load(path)
        assert loaded.config == SMALL and not loaded.training
        crops = shaded().crops(np.arange(4))
        assert torch.equal(loaded(crops), learned(crops))
        assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_another_file_is_no_regressor(tmp_path):
    with pytest.raises(TrainingError, match="expected an attribute regressor"):
        AttributeRegressor.load(tmp_path)
    (tmp_path / "regressor.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match="expected an attribute regressor"):
        AttributeRegressor.load(tmp_path)


def test_missing_labels_do_not_count():
    trainer = RegressorTrainer(shaded(missing=True), SMALL, quick())
    values = [trainer.step(step) for step in range(3)]
    assert all(np.isfinite(list(value.values())).all() for value in values)
    # The deviation is that of the known ones.
    known = shaded(missing=True).labels["slope"]
    assert trainer.network().std[1].item() == pytest.approx(np.nanstd(known), rel=1e-5)


def test_labels_that_do_not_vary_are_left_out_or_refused(tmp_path):
    assert varying_labels(shaded()) == ("brightness", "slope")
    with pytest.raises(TrainingError, match=r"no label constant that varies .* expected names among brightness, slope"):
        RegressorTrainer(shaded(), RegressorConfig(labels=("constant",), resolution=16, widths=(8,)), quick())
    with pytest.raises(TrainingError, match="at least one label"):
        train_regressor(Dataset.from_arrays(crops=np.zeros((2, 3, 64, 64), np.uint8)), tmp_path, RegressorTraining())


def test_a_side_that_the_stages_do_not_halve_is_refused():
    with pytest.raises(TrainingError, match="a multiple of 16, got 40"):
        RegressorConfig(labels=("smile",), resolution=40)


def test_crops_are_shaken_and_covered(tmp_path):
    data = shaded()
    plain = RegressorTrainer(data, SMALL, quick())._seen(np.arange(8), torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain, data.crops(np.arange(8)), atol=1e-5, rtol=0)
    shaken = quick(occluded_share=1.0, colour=0.2, shift=0.1)
    seen = RegressorTrainer(data, SMALL, shaken)._seen(np.arange(8), torch.Generator().manual_seed(0))
    assert ((seen - plain).abs().flatten(1).max(dim=1).values > 0.05).all() and seen.abs().max() <= 1
