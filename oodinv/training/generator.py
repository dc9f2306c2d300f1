"""Train a generator: paired with the portraits' parameters first, adversarial in addition at the end.

The latent of a portrait is its own standardised parameter vector, so the generator learns what each parameter looks
like from a per-pixel loss long before an adversarial loss alone would show faces. Phases grow the resolution: the
skip RGB architecture keeps every earlier layer as it is.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from tqdm import tqdm

from oodinv.models.discriminator import Discriminator
from oodinv.models.stylegan2 import Generator, GeneratorConfig, ToRGB
from oodinv.training.data import Dataset, DatasetError, pick
from oodinv.training.losses import discriminator_adversarial, generator_adversarial, multiscale_l1, r1_penalty
from oodinv.training.run import Run, average_into, channels_last, set_rate


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training."""

    resolution: int
    images: int
    rate: float = 2e-3
    final_rate: float | None = None
    """Linear decay to this rate over the phase; None = constant."""
    adversarial: float = 0.0
    """Weight of the adversarial loss, ramped in over the first third of the phase."""


@dataclass(frozen=True, kw_only=True)
class GeneratorTraining:
    """How a generator is trained."""

    phases: tuple[Phase, ...]
    batch: int = 8
    pixel_weight: float = 10.0
    person_weight: float = 3.0
    """Weight of the person's pixels against 1 for the background."""
    latent_noise: float = 0.03
    r1: float = 1.0
    r1_every: int = 16
    ema_images: float = 5_000.0
    """Half-life of the moving average, in images."""
    seed: int = 0
    save_every: int = 300


class Latents:
    """Standardises parameter vectors into latents."""

    def __init__(self, params: np.ndarray):
        self.mean = torch.from_numpy(params.mean(axis=0))
        self.std = torch.from_numpy(params.std(axis=0)).clamp_min(1e-4)

    def __call__(self, params: np.ndarray) -> Float[Tensor, "batch z_dim"]:
        """Parameters to latents of zero mean and unit variance, clipped at four deviations."""
        return ((torch.from_numpy(params) - self.mean) / self.std).clamp(-4, 4)


def known_params(data: Dataset) -> Float32[np.ndarray, "count parameters"]:
    """The parameters that portraits were rendered from.

    Raises:
        DatasetError: They are photos.
    """
    if data.params is None:
        raise DatasetError("paired losses need portraits whose parameters are known: name folders of rendered ones")
    return data.params


def grow(generator: Generator, resolution: int) -> Generator:
    """A generator with more resolutions that draws the same picture, upsampled."""
    grown = Generator(replace(generator.config, resolution=resolution))
    state = grown.state_dict()
    state.update(generator.state_dict())
    grown.load_state_dict(state)
    for to_rgb in list(grown.to_rgbs)[len(generator.to_rgbs) :]:
        torch.nn.init.zeros_(cast(ToRGB, to_rgb).weight)
    return grown


class _State:
    """Networks and optimisers of the running phase."""

    def __init__(self, generator: Generator, average: Generator):
        self.generator, self.average = generator, average.requires_grad_(False)
        self.discriminator = Discriminator(generator.config)
        for network in (self.generator, self.average, self.discriminator):
            channels_last(network)
        self.opt_g = torch.optim.Adam(self.generator.parameters(), lr=2e-3, betas=(0.0, 0.99))
        self.opt_d = torch.optim.Adam(self.discriminator.parameters(), lr=2e-3, betas=(0.0, 0.99))

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        names = ("generator", "average", "discriminator", "opt_g", "opt_d")
        return {name: getattr(self, name).state_dict() for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        for name in ("generator", "average", "discriminator", "opt_g", "opt_d"):
            getattr(self, name).load_state_dict(state[name])


def train_generator(data: Dataset, config: GeneratorConfig, training: GeneratorTraining, folder: Path) -> Generator:
    """Train through all phases and return the averaged generator, `latent_avg` set.

    A run that was stopped goes on from its last saved step; the folder says where it stands.
    """
    run = Run(folder)
    saved = run.load()
    latents = Latents(known_params(data))
    first, step = 0, 0
    torch.manual_seed(training.seed)
    start = Generator(replace(config, resolution=training.phases[0].resolution))
    net = _State(start, deepcopy(start))
    if saved is not None:
        first, step = int(saved["phase"]), int(saved["step"])
        start = Generator(replace(config, resolution=training.phases[first].resolution))
        net = _State(start, deepcopy(start))
        net.restore(saved["net"])
    for index in range(first, len(training.phases)):
        phase = training.phases[index]
        if phase.resolution != net.generator.config.resolution:
            torch.manual_seed(hash((training.seed, index)) % 2**31)
            grown = grow(net.generator, phase.resolution)
            average = deepcopy(grown)
            # The average keeps what it has and takes the new layers as they are, not a draw of its own.
            average.load_state_dict(grown.state_dict() | net.average.state_dict())
            net = _State(grown, average)
        _run_phase(run, data, latents, net, training, index, step)
        step = 0
        run.save({"phase": index, "step": phase.images // training.batch, "net": net.state()})
    average = net.average
    with torch.no_grad():
        average.latent_avg.copy_(average.mapping(latents(known_params(data))).mean(dim=0, keepdim=True))
    return average


def _run_phase(
    run: Run, data: Dataset, latents: Latents, net: _State, training: GeneratorTraining, index: int, start: int
) -> None:
    phase = training.phases[index]
    steps = phase.images // training.batch
    shown = np.arange(8)
    # Momentum speeds the regression up; without it, as in StyleGAN2, against an adversary that moves.
    momentum = 0.0 if phase.adversarial > 0 else 0.9
    for group in net.opt_g.param_groups:
        group["betas"] = (momentum, 0.99)
    before = sum(earlier.images for earlier in training.phases[:index])
    for step in tqdm(range(start, steps), initial=start, total=steps, desc=f"generator {phase.resolution}px"):
        done = step / steps
        rate = phase.rate if phase.final_rate is None else phase.rate + done * (phase.final_rate - phase.rate)
        set_rate(net.opt_g, rate)
        set_rate(net.opt_d, rate)
        # Seeded by the step: a resumed run repeats exactly what an undisturbed one would have drawn.
        torch.manual_seed(hash((training.seed, index, step)) % 2**31)
        where = pick(step, training.batch, len(data), seed=training.seed * 100 + index)
        losses = _step(data, latents, net, training, phase, where, step, done)
        # Short at the beginning, when the weights still travel far.
        half_life = min(training.ema_images, 0.1 * (before + (step + 1) * training.batch))
        average_into(net.average, net.generator, 0.5 ** (training.batch / half_life))
        if step % 50 == 0:
            run.log(phase=index, step=step, rate=rate, **losses)
        if (step + 1) % training.save_every == 0:
            run.save({"phase": index, "step": step + 1, "net": net.state()})
            with torch.no_grad():
                drawn = net.average.synthesise(net.average.map(latents(known_params(data)[shown])))
            run.grid("grid", [data.crops(shown, phase.resolution), drawn])


def _step(
    data: Dataset,
    latents: Latents,
    net: _State,
    training: GeneratorTraining,
    phase: Phase,
    where: np.ndarray,
    step: int,
    done: float,
) -> dict[str, float]:
    real = data.crops(where, phase.resolution)
    person = data.silhouette(where, phase.resolution)
    z = latents(known_params(data)[where])
    z = z + training.latent_noise * torch.randn_like(z)
    device = real.device.type
    with torch.autocast(device, torch.bfloat16):
        fake = net.generator.synthesise(net.generator.map(z), noise="random")
    pixel = multiscale_l1(fake, real, 1 + (training.person_weight - 1) * person)
    loss = training.pixel_weight * pixel
    values = {"pixel": pixel.item()}
    weight = phase.adversarial * min(1.0, 3 * done)
    if weight > 0:
        with torch.autocast(device, torch.bfloat16):
            logits = net.discriminator(fake)
        adversarial = generator_adversarial(logits)
        loss = loss + weight * adversarial
        values["adversarial"] = adversarial.item()
    net.opt_g.zero_grad(set_to_none=True)
    loss.backward()
    net.opt_g.step()
    if phase.adversarial > 0:
        values["discriminator"] = _discriminator_step(net, training, real, fake.detach(), step)
    return values


def _discriminator_step(net: _State, training: GeneratorTraining, real: Tensor, fake: Tensor, step: int) -> float:
    with torch.autocast(real.device.type, torch.bfloat16):
        loss = discriminator_adversarial(net.discriminator(real), net.discriminator(fake))
    net.opt_d.zero_grad(set_to_none=True)
    loss.backward()
    net.opt_d.step()
    if step % training.r1_every == 0:
        real = real.detach().requires_grad_(True)
        penalty = r1_penalty(real, net.discriminator(real))
        net.opt_d.zero_grad(set_to_none=True)
        (training.r1 / 2 * training.r1_every * penalty).backward()
        net.opt_d.step()
    return loss.item()
