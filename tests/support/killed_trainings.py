"""Train a network three times in processes of their own: undisturbed, killed, and resumed.

Run as `python -m killed_trainings FOLDER KIND…`; writes `FOLDER/KIND/undisturbed` and `FOLDER/KIND/killed`. Children
are forked before anything is computed, so that torch is imported once.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tiny_bundle import ENCODER, GENERATOR, tiny_model

from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.data import Dataset
from oodinv.training.decomposition import DecompositionTrainer, DecompositionTraining
from oodinv.training.direction_finding import DirectionSearch, DirectionTrainer
from oodinv.training.encoder import EncoderTrainer, EncoderTraining
from oodinv.training.generator import GeneratorTrainer, GeneratorTraining
from oodinv.training.latents import PortraitLatents
from oodinv.training.loop import LoopOptions, Trainer, run_training
from oodinv.training.phases import Phase
from oodinv.training.regressor import AttributeRegressor, RegressorConfig, RegressorTrainer, RegressorTraining

STEPS, SAVE_EVERY, KILLED_AFTER = 25, 5, 8
KINDS = ("encoder", "decomposition", "regressor", "generator", "directions")
OPTIONS = LoopOptions(save_every=SAVE_EVERY, log_every=1, grid_every=1000, progress=False)


def random_portraits() -> Dataset:
    """Sixteen pictures of noise that are said to be portraits."""
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 16, 32, 32)) * 255).astype(np.uint8)
    return Dataset.from_arrays(
        crops=rng.integers(0, 256, (16, 3, 32, 32)).astype(np.uint8),
        accessory=masks[0],
        silhouette=masks[1],
        params=rng.normal(size=(16, GENERATOR.z_dim)).astype(np.float32),
        labels={"smile": rng.normal(size=16), "age": rng.normal(size=16)},
    )


def make(kind: str) -> Trainer:
    """A trainer of a kind, with every term that has a state of its own."""
    data = random_portraits()
    if kind == "encoder":
        training = EncoderTraining(
            images=2 * STEPS, batch=2, progressive_begin=8, progressive_every=4, r1_every=3, pool=6, ema_images=20.0
        )
        torch.manual_seed(1)
        latents = Latents.over(data.params)
        source = PortraitLatents(data.params, latents)
        return EncoderTrainer(data, Generator(GENERATOR), ENCODER, training, latents=latents, source=source)
    if kind == "decomposition":
        model = tiny_model()
        return DecompositionTrainer(
            data, model, model.decomposition.config, DecompositionTraining(images=2 * STEPS, batch=2, ema_images=20.0)
        )
    if kind == "generator":
        # Killed where it has grown, and the adversary and its regularisers have begun.
        phases = (Phase(resolution=16, images=12), Phase(resolution=32, images=4 * STEPS - 12, adversarial=0.5))
        training = GeneratorTraining(phases=phases, batch=4, r1_every=4, path_every=3, ada_images=400.0)
        return GeneratorTrainer(data, GENERATOR, training)
    regressor = RegressorConfig(labels=("smile", "age"), resolution=32, widths=(8, 8))
    if kind == "directions":
        torch.manual_seed(1)
        # A step for each of sixteen styles, one for the regression, eight that measure.
        search = DirectionSearch(batch=1, rounds=3, faces=4, components=0)
        judge, latents = AttributeRegressor(regressor), Latents.over(data.params)
        judge.out.weight.data *= 1000  # no direction is without effect
        trainer = DirectionTrainer(data, Generator(GENERATOR), search, latents=latents, regressor=judge)
        assert trainer.steps == STEPS
        return trainer
    return RegressorTrainer(data, regressor, RegressorTraining(images=4 * STEPS, batch=4, ema_images=20.0))


def run(kind: str, folder: Path, killed_after: int | None) -> None:
    """Train, or go on, to the end; or kill this process within a step, when so many are logged."""
    torch.set_num_threads(1)
    trainer = make(kind)
    step = trainer.step

    def step_and_die(number: int) -> Mapping[str, float]:
        values = step(number)
        if number == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return values

    trainer.step = step_and_die
    run_training(trainer, steps=STEPS, folder=folder, options=OPTIONS)
    learned = trainer.state() if isinstance(trainer, DirectionTrainer) else trainer.network().state_dict()
    torch.save(learned, folder / "weights.pt")


def in_a_child(kind: str, folder: Path, killed_after: int | None = None) -> int:
    """Fork and train there; the child's id."""
    child = os.fork()
    if child == 0:
        try:
            run(kind, folder, killed_after)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    """Wait for a child: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def disturb(kind: str, folder: Path) -> None:
    """Kill a training between two checkpoints, and let another process end it."""
    assert ended(in_a_child(kind, folder, KILLED_AFTER)) == -signal.SIGKILL
    first = max(int(path.name[5:]) for path in (folder / "checkpoints").glob("step-*"))
    (folder / "saved").write_text(str(first))
    assert ended(in_a_child(kind, folder)) == 0


def main(folder: Path, kinds: list[str]) -> None:
    """One kind after the other."""
    for kind in kinds:
        undisturbed = in_a_child(kind, folder / kind / "undisturbed")
        disturb(kind, folder / kind / "killed")
        assert ended(undisturbed) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
