"""A training that was stopped and resumed ends with the weights of one that was not, bit for bit."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_model

from oodinv.models.e4e import EncoderConfig
from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training.decomposition import DecompositionTraining, train_decomposition
from oodinv.training.encoder import EncoderTraining, train_encoder
from oodinv.training.generator import GeneratorTraining, Latents, Phase, train_generator

CONFIG = GeneratorConfig(
    resolution=32, channel_base=256, channel_max=8, style_dim=12, z_dim=6, num_mapping_layers=2, normalise_z=False
)
PHASES = (
    Phase(resolution=16, images=12),
    Phase(resolution=32, images=12),
    Phase(resolution=32, images=12, adversarial=0.3, final_rate=1e-4),
)
TRAINING = GeneratorTraining(phases=PHASES, batch=4, r1_every=2, save_every=2, ema_images=20.0)
# Saved after step 2 and at the end of each of the three phases of three steps.
SAVES = {
    1: "in the first phase", 2: "before the resolution grows", 3: "after it grew", 4: "before the adversary",
    5: "beside the adversary", 6: "at the very end",
}  # fmt: skip


def same(states):
    first, second = states
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.parametrize("k", [pytest.param(k, id=when) for k, when in SAVES.items()])
def test_a_generator_resumes(resumes, pack, k):
    states = resumes(lambda folder: train_generator(pack, CONFIG, TRAINING, folder), k)
    assert same(states)


def test_a_generator_learns_grows_and_knows_its_mean_style(pack, tmp_path):
    trained = train_generator(pack, CONFIG, TRAINING, tmp_path)
    assert trained.config.resolution == 32
    latents = Latents(pack.params)
    mean = trained.mapping(latents(pack.params)).mean(dim=0, keepdim=True)
    torch.testing.assert_close(trained.latent_avg, mean)
    assert torch.isfinite(trained.synthesise(trained.map(latents(pack.params)))).all()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(lines) == 3 and '"discriminator"' in lines[2] and '"discriminator"' not in lines[1]
    assert (tmp_path / "grid.png").is_file()


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(1)
    return Generator(CONFIG).eval()


@pytest.mark.parametrize("k", [1, 2])
def test_an_encoder_resumes(resumes, pack, generator, k):
    config = EncoderConfig(
        num_layers=8,
        style_dim=12,
        input_resolution=32,
        stem_width=8,
        widths=(8, 8, 8, 8),
        units=(1, 1, 1, 1),
        head_width=8,
    )
    training = EncoderTraining(images=20, batch=4, save_every=2, ema_images=20.0)

    def train(folder):
        return train_encoder(pack, generator, Latents(pack.params), config, training, folder)

    assert same(resumes(train, k))


@pytest.mark.parametrize("k", [1, 2])
def test_a_decomposition_resumes(resumes, pack, k):
    model = tiny_model()
    training = DecompositionTraining(images=20, batch=4, save_every=2, ema_images=20.0)

    def train(folder):
        return train_decomposition(pack, deepcopy(model), model.decomposition.config, training, folder)

    assert same(resumes(train, k))


def test_only_the_decomposition_learns(pack, tmp_path):
    model = tiny_model()
    before = deepcopy(model.state_dict())
    training = DecompositionTraining(images=8, batch=4, ema_images=4.0)
    learned = train_decomposition(pack, model, model.decomposition.config, training, tmp_path)
    for part in ("encoder", "generator"):
        for name, tensor in getattr(model, part).state_dict().items():
            assert torch.equal(tensor, before[f"{part}.{name}"])
    assert any(parameter.abs().sum() > 0 for parameter in learned.parameters())


def test_an_overfitted_decomposition_finds_the_true_mask(pack, tmp_path):
    model = tiny_model()
    training = DecompositionTraining(images=240, batch=4, rate=4e-3, occluded_share=0.0, ema_images=40.0)
    train_decomposition(pack, model, model.decomposition.config, training, tmp_path)
    lines = [line for line in (tmp_path / "log.jsonl").read_text().splitlines() if '"entropy"' in line]
    first, last = (float(line.split('"entropy": ')[1].split(",")[0]) for line in (lines[0], lines[-1]))
    assert last < 0.6 * first


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_state_that_is_no_tensors_is_not_loaded(pack, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (np.save, (str(tmp_path / "went off.npy"), np.zeros(1)))

    (tmp_path / "state.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(pickle.UnpicklingError):
        train_generator(pack, CONFIG, TRAINING, tmp_path)
    assert not (tmp_path / "went off.npy").exists()
