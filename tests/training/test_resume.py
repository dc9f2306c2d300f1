"""A training that was stopped and resumed ends with the weights of one that was not, bit for bit."""

from copy import deepcopy

import pytest
import torch
from tiny_bundle import tiny_model

from oodinv.models.e4e import EncoderConfig
from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training.decomposition import DecompositionTraining, train_decomposition
from oodinv.training.encoder import EncoderTraining, train_encoder
from oodinv.training.latents import Latents

CONFIG = GeneratorConfig(
    resolution=32, channel_base=256, channel_max=8, style_dim=12, z_dim=6, num_mapping_layers=2, normalise_z=False
)


def same(states):
    first, second = states
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])] == []


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
