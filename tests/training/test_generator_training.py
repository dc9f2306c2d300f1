import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from oodinv.models.latents import Latents
from oodinv.models.layers import fir_upsample
from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training.checkpoint import Checkpoints
from oodinv.training.data import Dataset, DatasetError
from oodinv.training.errors import TrainingError
from oodinv.training.generator import GeneratorTrainer, GeneratorTraining, default_phases, train_generator
from oodinv.training.growing import grow
from oodinv.training.loop import LoopOptions
from oodinv.training.phases import Phase
from oodinv.training.regressor import AttributeRegressor, RegressorConfig
from oodinv.training.trained import load_generator, save_trained

CONFIG = GeneratorConfig(
    resolution=32, channel_base=256, channel_max=8, style_dim=12, z_dim=6, num_mapping_layers=2, normalise_z=False
)
PHASES = (
    Phase(resolution=16, images=12),
    Phase(resolution=32, images=12),
    Phase(resolution=32, images=24, adversarial=0.3, final_rate=1e-4),
)
TRAINING = GeneratorTraining(phases=PHASES, batch=4, r1_every=2, path_every=2, ada_images=64.0, ema_images=20.0)
OPTIONS = LoopOptions(save_every=100, log_every=1, grid_every=100, progress=False)


def photos(pack):
    """The same pictures, of which nothing is known."""
    return Dataset.from_arrays(crops=(pack.crops(np.arange(len(pack))).numpy() * 127.5 + 127.5).astype(np.uint8))


def steps(trainer, first, last):
    return [trainer.step(step) for step in range(first, last)]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b or (isinstance(a, list) and all(same(x, y) for x, y in zip(a, b, strict=True)))


@pytest.fixture(scope="module")
def trained(pack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train_generator(pack, CONFIG, TRAINING, folder, options=OPTIONS), folder


def test_a_generator_learns_grows_and_knows_its_mean_style(pack, trained):
    generator, folder = trained
    assert generator.config.resolution == 32
    z = Latents.over(pack.params)(pack.params)
    torch.testing.assert_close(generator.latent_avg, generator.mapping(z).mean(dim=0, keepdim=True))
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 12 and all("pixel" in line for line in lines)
    assert ["discriminator" in line for line in lines] == [False] * 6 + [True] * 6
    # Lazily, at steps 0, 2 and 4 of the phase.
    assert ["r1" in line for line in lines] == ["path" in line for line in lines] == [False] * 6 + [True, False] * 3
    assert (folder / "grids" / "00000012.png").is_file()


def test_a_training_may_begin_from_another_generator(pack, trained):
    begin, _ = trained
    other = replace(CONFIG, z_dim=9)  # photos with latents of another length: all but the mapping's first layer fits
    training = replace(TRAINING, paired=False, phases=tuple(replace(phase, adversarial=1.0) for phase in PHASES[:2]))
    trainer = GeneratorTrainer(photos(pack), other, training, begin=begin)
    own, theirs = trainer.generator.state_dict(), begin.state_dict()
    apart = {
        name for name in own if not (own[name].shape == theirs[name].shape and torch.equal(own[name], theirs[name]))
    }
    assert apart == {"mapping.layers.0.weight"}
    for step in range(3):
        trainer.step(step)
    learned = trainer.generator.state_dict()
    trainer._enter(1)  # what joins now is taken too, what has learned since is not taken back
    grown = trainer.generator.state_dict()
    assert all(torch.equal(grown[name], learned[name]) for name in learned)
    assert all(torch.equal(grown[name], theirs[name]) for name in grown.keys() - learned.keys())
    assert trainer.fingerprint()["begin"] != GeneratorTrainer(photos(pack), other, training).fingerprint()["begin"]


def eyes():
    torch.manual_seed(2)
    return (
        AttributeRegressor(RegressorConfig(labels=("smile",), resolution=16, widths=(8, 8)))
        .eval()
        .requires_grad_(False)
    )


def test_a_generator_learns_what_a_regressor_sees(pack):
    """By its eyes alone, without a look at pixels."""
    phases = (Phase(resolution=16, images=320, rate=0.01), Phase(resolution=32, images=4))
    training = replace(TRAINING, phases=phases, pixel_weight=0.0)
    trainer = GeneratorTrainer(pack, CONFIG, training, regressor=eyes())
    before = deepcopy(trainer.regressor.state_dict())
    seen = [values["features"] + values["attributes"] for values in steps(trainer, 0, 80)]
    assert np.mean(seen[-5:]) < 0.8 * np.mean(seen[:5])
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.regressor.state_dict().items())
    without = GeneratorTrainer(pack, CONFIG, training)
    assert trainer.fingerprint()["regressor"] != without.fingerprint()["regressor"]
    assert "features" not in without.step(0)


def test_a_regressor_that_nobody_would_ask_is_refused(pack):
    training = replace(TRAINING, paired=False, phases=tuple(replace(phase, adversarial=1.0) for phase in PHASES))
    with pytest.raises(TrainingError, match="the input regressor would not be used, since nothing is paired"):
        GeneratorTrainer(photos(pack), CONFIG, training, regressor=eyes())


@pytest.fixture(scope="module")
def undisturbed(pack, tmp_path_factory):
    """A checkpoint in every phase and at the seams, of one run, and what that run came to."""
    trainer = GeneratorTrainer(pack, CONFIG, TRAINING)
    checkpoints = Checkpoints(tmp_path_factory.mktemp("saved"), kind="generator", fingerprint={}, keep=12)
    for step in range(12):
        trainer.step(step)
        checkpoints.save(step + 1, trainer.state())
    return trainer, checkpoints


@pytest.mark.parametrize("at", [3, 9])
def test_a_restored_trainer_goes_on_as_if_nothing_had_been(pack, undisturbed, at):
    torch.manual_seed(99)  # a new process draws other numbers
    straight, checkpoints = undisturbed
    after = GeneratorTrainer(pack, CONFIG, TRAINING)
    after.restore(checkpoints.read(checkpoints.paths()[at - 1]).state)
    steps(after, at, 12)
    assert same(after.state(), straight.state())
    assert same(after.network().state_dict(), straight.network().state_dict())


def test_photos_are_learned_from_noise_alone(pack):
    phases = (Phase(resolution=32, images=16, adversarial=1.0),)
    trainer = GeneratorTrainer(photos(pack), CONFIG, GeneratorTraining(phases=phases, batch=4))
    assert not trainer.paired and trainer.training.mixing == 0.9
    values = steps(trainer, 0, 4)
    assert all("pixel" not in value and value["adversarial"] > 0 for value in values)
    mean = trainer.network().latent_avg
    z = torch.randn(50_000, 6, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(mean, trainer.average.mapping(z).mean(dim=0, keepdim=True), atol=0.02, rtol=0)


def test_an_overfitted_generator_draws_its_portraits(pack):
    phases = (Phase(resolution=8, images=480, rate=9e-3),)
    shape = GeneratorConfig(**(vars(CONFIG) | {"resolution": 8}))
    trainer = GeneratorTrainer(pack, shape, GeneratorTraining(phases=phases, batch=8, person_weight=1.0))
    values = steps(trainer, 0, 60)
    assert np.mean([v["pixel"] for v in values[-10:]]) < 0.6 * values[0]["pixel"]


def test_a_picture_of_two_latents_has_no_pair(pack):
    mixed = GeneratorTraining(phases=PHASES, batch=4, mixing=1.0)
    trainer = GeneratorTrainer(pack, CONFIG, mixed)
    assert trainer.step(0)["pixel"] == 0
    z, cut = trainer._draw_latents(np.arange(4), torch.Generator().manual_seed(0))
    w_plus = trainer._styles(z, cut)
    first, second = (trainer.generator.mapping(some) for some in z)
    for row, layer in enumerate(cut.tolist()):
        assert 1 <= layer < w_plus.shape[1]
        assert (w_plus[row, :layer] == first[row]).all() and (w_plus[row, layer:] == second[row]).all()


def test_an_accessory_weighs_as_the_background_does(pack):
    weight = GeneratorTrainer(pack, CONFIG, TRAINING)._weight(np.arange(2), 32)
    assert (weight[0, 0, 6, 10], weight[1, 0, 6, 10], weight[1, 0, 0, 0]) == (1.0, 3.0, 1.0)


def test_a_grown_generator_draws_the_same_picture_upsampled():
    torch.manual_seed(0)
    small = Generator(GeneratorConfig(**(vars(CONFIG) | {"resolution": 16})))
    w = torch.randn(2, 1, 12)
    before = small.synthesise(w.repeat(1, small.config.num_layers, 1), noise="none")
    large = grow(small, 32)
    after = large.synthesise(w.repeat(1, large.config.num_layers, 1), noise="none")
    torch.testing.assert_close(after, fir_upsample(before))


def test_what_does_not_fit_is_refused(pack):
    def trainer(data=pack, **changes):
        return GeneratorTrainer(data, CONFIG, GeneratorTraining(**({"phases": PHASES, "batch": 4} | changes)))

    with pytest.raises(TrainingError, match=r"expected the last to be 32, got \[16\]"):
        trainer(phases=PHASES[:1])
    with pytest.raises(TrainingError, match="crops of 16 pixels, the network draws 32"):
        trainer(Dataset.from_arrays(crops=np.zeros((4, 3, 16, 16), np.uint8)), paired=False)
    with pytest.raises(TrainingError, match="at least one batch of 16 images, got one of 12"):
        trainer(batch=16)
    with pytest.raises(DatasetError, match=r"portraits whose parameters are known.*or set paired to false"):
        trainer(photos(pack), paired=True)
    with pytest.raises(TrainingError, match="without pairs the adversarial loss is all there is"):
        trainer(paired=False)
    with pytest.raises(TrainingError, match="r1_every must be at least 1, got 0"):
        trainer(r1_every=0)


def test_the_default_phases_fit_any_resolution():
    for paired in (True, False):
        phases = default_phases(256, paired=paired)
        assert phases[-1].resolution == 256 and phases[-1].adversarial > 0


def test_a_trained_generator_is_found_by_the_next_training(trained, tmp_path):
    generator, _ = trained
    save_trained(tmp_path, kind="generator", config=generator.config, network=generator)
    assert same(load_generator(tmp_path).state_dict(), generator.state_dict())
    (tmp_path / "generator.safetensors").write_bytes(safetensors.torch.save({"x": torch.zeros(1)}))
    with pytest.raises(TrainingError, match="does not fit its shape"):
        load_generator(tmp_path)
    (tmp_path / "generator.safetensors").write_bytes(b"no tensors")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_generator(tmp_path)
    with pytest.raises(TrainingError, match=r"holds no trained generator: expected generator\.json"):
        load_generator(tmp_path / "nowhere")
