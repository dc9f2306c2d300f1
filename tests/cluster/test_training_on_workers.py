"""Two workers with half of every batch each learn what one with the whole batch learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from oodinv.cluster.train import train_on_cluster
from oodinv.models.stylegan2 import GeneratorConfig
from oodinv.training.errors import CheckpointError
from oodinv.training.generator import GeneratorTraining
from oodinv.training.job import TrainingJob, run_job
from oodinv.training.loop import LoopOptions
from oodinv.training.phases import Phase
from oodinv.training.recipes import GeneratorRecipe

pytest.importorskip("ray.train", exc_type=ImportError)
STEPS = 6


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(16):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    network = GeneratorConfig(
        resolution=16, channel_base=256, channel_max=8, style_dim=12, z_dim=6, num_mapping_layers=2
    )
    phases = (Phase(resolution=16, images=8 * STEPS, adversarial=1.0),)
    # Without augmentation, whose draws are each worker's own; noise, also its own, has no strength at first.
    training = GeneratorTraining(phases=phases, batch=8, r1_every=2, path_weight=0.0, ada_target=None)
    return TrainingJob(
        kind="generator",
        config=GeneratorRecipe(network=network, training=training),
        data=(folder,),
        out=folder.parent / "one",
        device="cpu",
        options=LoopOptions(log_every=1, save_every=4, grid_every=3, progress=False),
    )


class Heard:
    def __init__(self):
        self.steps, self.sheets = [], []

    def scalars(self, step, values):
        self.steps.append(step)

    def sheet(self, step, picture):
        self.sheets.append(step)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {name: [line[name] for line in lines if name in line] for name in ("adversarial", "discriminator", "r1")}


@pytest.mark.slow
def test_two_workers_with_half_batches_learn_as_one_with_the_whole_batch(job, tmp_path):
    alone = run_job(job)
    heard = Heard()
    together = train_on_cluster(replace(job, out=tmp_path), workers=2, listeners=[heard])
    assert alone.finished and together.finished and together.step == STEPS
    assert together.checkpoint == tmp_path / "checkpoints" / f"step-{STEPS:08d}"
    expected = losses(job.out)
    for name, values in losses(tmp_path).items():
        assert values[0] == pytest.approx(expected[name][0], rel=1e-5), name
        # From then on each worker's noise has a strength, and is its own; a squared gradient feels it most.
        assert values == pytest.approx(expected[name], rel=0.15 if name == "r1" else 1e-2), name
    assert heard.steps == list(range(1, STEPS + 1)) and heard.sheets[-1] == STEPS
    assert (tmp_path / "generator.safetensors").is_file()
    # One process goes on from what two have saved; another configuration is refused across processes, in our words.
    assert run_job(replace(job, out=tmp_path)).first_step == STEPS
    other = replace(job.config, training=replace(job.config.training, seed=5))
    with pytest.raises(CheckpointError, match="another configuration"):
        train_on_cluster(replace(job, out=tmp_path, config=other), workers=2)
