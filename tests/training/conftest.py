import numpy as np
import pytest
import torch
from tiny_bundle import GENERATOR
from tiny_trainings import CONFIGS

from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.data import Dataset
from oodinv.training.job import write_learned
from oodinv.training.loop import LoopOptions, run_training
from oodinv.training.recipes import RECIPES, Inputs
from oodinv.training.seen import Seen
from oodinv.training.trained import save_trained
from oodinv.training.trained_parts import save_latents

COUNT, SIZE, PARAMETERS = 8, 32, 6


@pytest.fixture(scope="session")
def pack() -> Dataset:
    """Eight random crops of 32 pixels: half of them with an accessory, all with a background."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (COUNT, 3, 4, 4))
    accessory = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    accessory[::2, 4:12, 4:28] = 255
    silhouette = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    silhouette[:, 4:, 6:26] = 255
    return Dataset.from_arrays(
        crops=coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8),
        accessory=accessory,
        silhouette=silhouette,
        params=rng.normal(size=(COUNT, PARAMETERS)).astype(np.float32),
        labels={"smile": rng.normal(size=COUNT), "age": rng.normal(size=COUNT)},
        kinds=["hat" if index % 2 == 0 else "" for index in range(COUNT)],
    )


@pytest.fixture(scope="session")
def portraits():
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 16, 32, 32)) * 255).astype(np.uint8)
    return Dataset.from_arrays(
        crops=rng.integers(0, 256, (16, 3, 32, 32)).astype(np.uint8),
        accessory=masks[0],
        silhouette=masks[1],
        params=rng.normal(size=(16, GENERATOR.z_dim)).astype(np.float32),
        labels={"smile": rng.normal(size=16), "age": rng.normal(size=16)},
        seeds=np.arange(100, 116),
    )


@pytest.fixture(scope="session")
def chain(portraits, tmp_path_factory):
    """Trainings that have ended, one after the other, each on what the ones before have left: folders by kind."""
    root = tmp_path_factory.mktemp("chain")
    torch.manual_seed(0)
    save_trained(root / "generator", kind="generator", config=GENERATOR, network=Generator(GENERATOR))
    save_latents(root / "generator", Latents.over(portraits.params, noise=0.07))
    Seen.of(portraits).write(root / "generator", "generator")
    folders = {"generator": root / "generator"}
    for kind, config in CONFIGS.items():
        prepared = RECIPES[kind].build(config, portraits, Inputs(folders=folders))
        folder = root / kind
        run_training(prepared.trainer, steps=prepared.steps, folder=folder, options=LoopOptions(progress=False))
        write_learned(folder, kind, config, portraits, prepared)
        folders[kind] = folder
    return folders
