"""Train a StyleGAN2 generator, on portraits whose parameters are known or on any folder of photos.

Of rendered portraits the parameters are known: a portrait's latent is its own standardised parameter vector, and the
generator learns what each parameter looks like from a per-pixel loss long before an adversarial loss alone would show
faces. The adversarial loss joins in later phases. Of photos nothing is known: latents are normal, and the adversarial
loss is all there is. Phases may grow the resolution.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.discriminator import Discriminator
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training import parallel
from oodinv.training.adaptive import AdaptiveAugmentation
from oodinv.training.augmentation import augment
from oodinv.training.averaging import average_into, ema_decay
from oodinv.training.beginning import begin_digest, take_over
from oodinv.training.data import Dataset, pick
from oodinv.training.errors import TrainingError
from oodinv.training.fingerprint import fingerprint, function_digest
from oodinv.training.growing import grow
from oodinv.training.latents import LatentSource, NormalLatents, PortraitLatents, known_params
from oodinv.training.loop import LoopOptions, run_training
from oodinv.training.losses import discriminator_adversarial, generator_adversarial, multiscale_l1, r1_penalty
from oodinv.training.optimising import channels_last, half_precision, lazy_adam, set_adam
from oodinv.training.path_length import path_lengths, path_penalty
from oodinv.training.phases import Phase, Position, check_phases, position, total_steps
from oodinv.training.regressor import AttributeRegressor
from oodinv.training.structure import map_distance

_SHOWN = 8
_SHIFT = 3
"""Pixels."""
_PARTS = ("generator", "average", "discriminator", "opt_g", "opt_d")


@dataclass(frozen=True, kw_only=True)
class GeneratorTraining:
    """How a generator is trained. Rates and weights are StyleGAN2's where it has them."""

    phases: tuple[Phase, ...] = ()
    """Empty = `default_phases`."""
    batch: int = 8
    """Of all workers together."""
    paired: bool | None = None
    """Use the portraits' parameters; None = where they are known."""
    pixel_weight: float = 10.0
    """Of the per-pixel loss of paired training."""
    person_weight: float = 3.0
    """Weight of the person's pixels against 1 for the background."""
    feature_weight: float = 10.0
    """Of `map_distance` on a regressor's maps in paired training, where one is given."""
    attribute_weight: float = 2.0
    """Of the squared distance between the attributes which it reads off the drawn and the true picture. Pixels hardly
    tell an open mouth from a closed one; it does."""
    latent_noise: float = 0.03
    """Deviation of the noise on a portrait's latent."""
    mixing: float | None = None
    """Share of the pictures drawn from two latents; those have no pair. None = 0.9 without pairs, 0 with."""
    r1: float = 1.0
    """Weight of the squared gradient is half of this."""
    r1_every: int = 16
    path_weight: float = 2.0
    """Of path length regularisation in adversarial phases; 0 = off."""
    path_every: int = 4
    path_decay: float = 0.01
    """Pace of the mean path length."""
    path_shrink: int = 2
    """Path lengths are taken of a batch smaller by this factor."""
    ada_target: float | None = 0.6
    """See `AdaptiveAugmentation`; None = no augmentation."""
    ada_every: int = 4
    ada_images: float = 500_000.0
    ema_images: float = 10_000.0
    """Half-life of the moving average, in images."""
    ema_ramp: float = 0.1
    """At the beginning the half-life is at most this share of the images seen."""
    seed: int = 0

    def __post_init__(self):
        """Refuse what cannot be."""
        for name in ("batch", "r1_every", "path_every", "path_shrink", "ada_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.mixing is not None and not 0 <= self.mixing <= 1:
            raise TrainingError(f"mixing must be in [0, 1], got {self.mixing}")


def default_phases(resolution: int, *, paired: bool) -> tuple[Phase, ...]:
    """Regression at half and full resolution and then an adversary beside it; without pairs the adversary alone."""
    if not paired:
        return (Phase(resolution=resolution, images=25_000_000, adversarial=1.0),)
    low = max(8, resolution // 2)
    return (
        Phase(resolution=low, images=52_000, rate=9e-3, final_rate=3e-3),
        Phase(resolution=resolution, images=42_000, rate=7e-3, final_rate=3e-4),
        Phase(resolution=resolution, images=40_000, rate=1e-3, final_rate=3e-4, adversarial=0.3),
    )


class GeneratorTrainer:
    """The training of a generator as steps of the loop."""

    kind = "generator"

    def __init__(
        self,
        data: Dataset,
        config: GeneratorConfig,
        training: GeneratorTraining,
        *,
        begin: Generator | None = None,
        regressor: AttributeRegressor | None = None,
        device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    ):
        """Networks of the first phase, drawn from the seed.

        Args:
            data: Crops of at least the network's resolution.
            config: Of the finished generator; paired training takes `z_dim` from the parameters.
            training: How.
            begin: Another generator to begin from: all that has the same name and shape is taken from it, so that
                latents of another kind get a new mapping to the styles that it draws.
            regressor: Compares drawn and true pictures in paired training; frozen.
            device: Where.

        Raises:
            DatasetError: Paired training of photos, of which nothing is known.
            TrainingError: Configuration and dataset do not fit.
        """
        self.data, self.device = data, device
        if training.paired is None and data.params is None and "params" in data.dropped:
            raise TrainingError(
                f"the parameters of some pictures are not known ({data.dropped['params']}), so that nothing is paired: "
                "leave those folders out, or set training.paired to false to train all of them as photos"
            )
        self.paired = data.params is not None if training.paired is None else training.paired
        if regressor is not None and not self.paired:
            raise TrainingError("the input regressor would not be used, since nothing is paired: leave it out")
        self.regressor = None if regressor is None else regressor.to(device)
        self.latents: LatentSource = (
            PortraitLatents(known_params(data), Latents.over(known_params(data), noise=training.latent_noise))
            if self.paired
            else NormalLatents(config.z_dim)
        )
        phases = training.phases or default_phases(config.resolution, paired=self.paired)
        mixing = training.mixing if training.mixing is not None else (0.0 if self.paired else 0.9)
        self.training = replace(training, phases=phases, mixing=mixing, paired=self.paired)
        self.config = replace(config, z_dim=self.latents.z_dim)
        check_phases(phases, training.batch, resolution=config.resolution, size=data.size)
        if not self.paired and any(phase.adversarial <= 0 for phase in phases):
            raise TrainingError(
                "without pairs the adversarial loss is all there is: expected every phase to have a weight "
                f"`adversarial` above 0, got {[phase.adversarial for phase in phases]}"
            )
        self.steps = total_steps(phases, training.batch)
        self.ada = AdaptiveAugmentation(
            target=training.ada_target or 0.0, every=training.ada_every, images=training.ada_images
        )
        self.mean_path = 0.0
        self.phase = 0
        self._begin = begin
        start = self._drawn(0, lambda: Generator(replace(self.config, resolution=phases[0].resolution)))
        self._take_over(start)
        self._take(start, deepcopy(start))

    def fingerprint(self) -> Mapping[str, Any]:
        """Network, training and pictures."""
        return fingerprint(
            self.data,
            network=self.config,
            training=self.training,
            begin=begin_digest(self._begin),
            regressor=function_digest(self.regressor),
        )

    def step(self, step: int) -> dict[str, float]:
        """Generator, its average, discriminator, augmentation."""
        now = position(self.training.phases, self.training.batch, step)
        self._enter(now.index)
        adversarial = now.phase.adversarial > 0
        # Momentum speeds the regression up; without it, as in StyleGAN2, against an adversary that moves.
        path_every = self.training.path_every if adversarial and self.training.path_weight > 0 else None
        set_adam(self.opt_g, rate=now.rate, momentum=0.0 if adversarial else 0.9, lazy_every=path_every)
        set_adam(self.opt_d, rate=now.rate, momentum=0.0, lazy_every=self.training.r1_every)
        common = torch.Generator().manual_seed(parallel.step_seed(self.training.seed, 1, step))
        own = torch.Generator(self.device).manual_seed(parallel.step_seed(self.training.seed, 2, step, own=True))
        index = pick(step, self.training.batch, len(self.data), seed=self.training.seed)
        z, mixed = self._draw_latents(index, common)
        index = parallel.own_share(index)
        real = self.data.crops(index, now.phase.resolution).to(self.device)
        fake, values = self._generator_step(now, index, real, z, mixed, own)
        if path_every is not None and now.step % path_every == 0:
            values |= self._path_step(common, own)
        self._average(now)
        if adversarial:
            values |= self._discriminator_step(now, real, fake.detach(), own)
        return values

    def state(self) -> dict[str, Any]:
        """Networks, optimisers, augmentation, mean path length, and the phase they are of."""
        networks = {name: getattr(self, name).state_dict() for name in _PARTS}
        return networks | {"phase": self.phase, "ada": asdict(self.ada), "mean_path": self.mean_path}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        self.phase = state["phase"]
        shape = replace(self.config, resolution=self.training.phases[self.phase].resolution)
        self._take(Generator(shape), Generator(shape))
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.ada = AdaptiveAugmentation(**state["ada"])
        self.mean_path = state["mean_path"]

    @torch.no_grad()
    def grid(self) -> list[Tensor]:
        """Real pictures, and what the average draws: of their latents, or of the same few normal ones."""
        index = np.arange(min(_SHOWN, len(self.data)))
        z = self.latents.many()[: 2 * _SHOWN].to(self.device)
        drawn = self.average.synthesise(self.average.map(z))
        real = self.data.crops(index, self.average.config.resolution)
        return [real, *drawn.split(_SHOWN)]

    @torch.no_grad()
    def network(self) -> Generator:
        """The averaged generator on the processor, in evaluation mode, `latent_avg` set."""
        network = deepcopy(self.average).cpu().eval()
        network.latent_avg.copy_(network.mapping(self.latents.many()).mean(dim=0, keepdim=True))
        return network

    def _enter(self, index: int) -> None:
        """Grow where a new phase begins with a higher resolution."""
        if index == self.phase:
            return
        self.phase = index
        resolution = self.training.phases[index].resolution
        if resolution == self.generator.config.resolution:
            return
        before = self.generator.cpu()
        grown = self._drawn(index, lambda: grow(before, resolution))
        self._take_over(grown, but=before)
        average = deepcopy(grown)
        # The average keeps what it has and takes the new layers as they are, not a draw of its own.
        average.load_state_dict(grown.state_dict() | self.average.cpu().state_dict())
        self._take(grown, average)

    def _take_over(self, generator: Generator, but: Generator | None = None) -> None:
        """What the training began from, where it fits; not in place of what `but` has learned already."""
        if self._begin is not None:
            take_over(generator, self._begin, but=set() if but is None else set(but.state_dict()))

    def _take(self, generator: Generator, average: Generator) -> None:
        """Make these the networks, with a new discriminator and new optimisers."""
        self.generator, self.average = generator.to(self.device), average.to(self.device).requires_grad_(False)
        discriminator = self._drawn(1000 + self.phase, lambda: Discriminator(generator.config))
        self.discriminator = discriminator.to(self.device)
        for network in (self.generator, self.average, self.discriminator):
            channels_last(network)
        self.opt_g, self.opt_d = lazy_adam(self.generator.parameters()), lazy_adam(self.discriminator.parameters())

    def _drawn(self, number: int, make: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parallel.step_seed(self.training.seed, 3, number))
            return make()

    def _draw_latents(self, index: np.ndarray, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two latents per sample [2, batch, z_dim], and at which layer the second takes over (0 = never)."""
        z = torch.stack([self.latents.of(index, rng), self.latents.of(np.roll(index, 1), rng)])
        layers = self.generator.config.num_layers
        cut = torch.randint(1, layers, (len(index),), generator=rng)
        cut = cut * (torch.rand(len(index), generator=rng) < (self.training.mixing or 0.0))
        z, cut = z[:, parallel.rank() :: parallel.world_size()], parallel.own_rows(cut)
        return z.to(self.device), cut.to(self.device)

    def _styles(self, z: Tensor, cut: Tensor) -> Float[Tensor, "batch layers style_dim"]:
        w_plus = self.generator.map(z[0])
        if (self.training.mixing or 0.0) == 0:
            return w_plus
        layer = torch.arange(w_plus.shape[1], device=w_plus.device)
        second = (cut[:, None] > 0) & (layer >= cut[:, None])
        return torch.where(second[:, :, None], self.generator.map(z[1]), w_plus)

    def _generator_step(
        self, now: Position, index: np.ndarray, real: Tensor, z: Tensor, cut: Tensor, own: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        self.discriminator.requires_grad_(False)
        with half_precision(self.device):
            fake = self.generator.synthesise(self._styles(z, cut), noise="random", rng=own).float()
        loss, values = fake.new_zeros(()), {}
        if self.paired:
            pixel = multiscale_l1(
                fake, real, self._weight(index, now.phase.resolution) * (cut == 0)[:, None, None, None]
            )
            loss, values["pixel"] = self.training.pixel_weight * pixel, pixel.item()
            if self.regressor is not None:
                seen, told = self._compared(self.regressor, fake[cut == 0], real[cut == 0], own)
                loss, values = loss + seen, values | told
        # Beside a paired loss the adversary is let in slowly: it knows nothing yet.
        weight = now.phase.adversarial * (min(1.0, 3 * now.done) if self.paired else 1.0)
        if weight > 0:
            with half_precision(self.device):
                logits = self.discriminator(augment(fake, self.ada.p, own))
            adversarial = generator_adversarial(logits)
            loss, values["adversarial"] = loss + weight * adversarial, adversarial.item()
        self._descend(self.opt_g, self.generator, loss)
        return fake, values

    def _compared(
        self, regressor: AttributeRegressor, fake: Tensor, real: Tensor, own: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """What the regressor sees of drawn and true pictures, both moved alike by a few pixels.

        It sees each picture smaller than it is: always at the same place, some of its pixels would count for nothing.
        """
        if not len(fake):
            return fake.new_zeros(()), {}
        shift = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=own, device=own.device).tolist()
        fake, real = (picture.roll(shift, dims=(2, 3)) for picture in (fake, real))
        with half_precision(self.device):
            ours, told = regressor.maps_and_attributes(fake)
            with torch.no_grad():
                theirs, wanted = regressor.maps_and_attributes(real)
            maps, attributes = map_distance(ours, theirs), (told.float() - wanted.float()).square().mean()
        training = self.training
        loss = training.feature_weight * maps + training.attribute_weight * attributes
        return loss, {"features": maps.item(), "attributes": attributes.item()}

    def _weight(self, index: np.ndarray, size: int) -> Tensor:
        """The person's pixels weigh more, an accessory's not; where no mask is known all weigh the same."""
        if not self.data.has_masks:
            return torch.ones(len(index), 1, size, size, device=self.device)
        person = self.data.silhouette(index, size) * (1 - self.data.accessory(index, size))
        return 1 + (self.training.person_weight - 1) * person.to(self.device)

    def _path_step(self, common: torch.Generator, own: torch.Generator) -> dict[str, float]:
        workers = parallel.world_size()
        count = workers * max(1, self.training.batch // self.training.path_shrink // workers)
        index = torch.randint(len(self.data), (count,), generator=common).numpy()
        z, cut = self._draw_latents(index, common)
        # In full precision: it is differentiated twice.
        w_plus = self._styles(z, cut)
        image = self.generator.synthesise(w_plus, noise="random", rng=own)
        noise = torch.randn(image.shape, generator=own, device=self.device)
        lengths = path_lengths(image, w_plus, noise)
        mean = parallel.mean_tensor(lengths.mean()).item()
        self.mean_path += self.training.path_decay * (mean - self.mean_path)
        penalty = path_penalty(lengths, self.mean_path)
        self._descend(self.opt_g, self.generator, self.training.path_weight * self.training.path_every * penalty)
        return {"path": penalty.item(), "path_length": mean}

    def _discriminator_step(self, now: Position, real: Tensor, fake: Tensor, own: torch.Generator) -> dict[str, float]:
        self.discriminator.requires_grad_(True)
        seen = augment(real, self.ada.p, own)
        with half_precision(self.device):
            real_logits = self.discriminator(seen)
            loss = discriminator_adversarial(real_logits, self.discriminator(augment(fake, self.ada.p, own)))
        self._descend(self.opt_d, self.discriminator, loss)
        values = {"discriminator": loss.item()}
        if now.step % self.training.r1_every == 0:
            # At the pictures as the discriminator sees them, in full precision.
            seen = seen.detach().requires_grad_(True)
            penalty = r1_penalty(seen, self.discriminator(seen))
            self._descend(self.opt_d, self.discriminator, self.training.r1 / 2 * self.training.r1_every * penalty)
            values["r1"] = penalty.item()
        if self.training.ada_target is not None:
            sign = parallel.mean_tensor(real_logits.float().sign().mean()).item()
            certainty = self.ada.saw(sign, self.training.batch)
            if certainty is not None:
                values |= {"certainty": certainty, "augmentation": self.ada.p}
        return values

    def _average(self, now: Position) -> None:
        batch = self.training.batch
        decay = ema_decay(
            batch=batch,
            half_life=self.training.ema_images,
            seen=now.images_before + batch,
            ramp=self.training.ema_ramp,
        )
        average_into(self.average, self.generator, decay)

    def _descend(self, optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(network.parameters())
        optimizer.step()


def train_generator(
    data: Dataset,
    config: GeneratorConfig,
    training: GeneratorTraining,
    folder: Path,
    *,
    options: LoopOptions | None = None,
    device: torch.device | None = None,
) -> Generator:
    """Train through all phases and return the averaged generator, `latent_avg` set; a stopped run is resumed.

    Raises:
        TrainingStopped: It was stopped before its end; the state is saved.
    """
    trainer = GeneratorTrainer(data, config, training, device=device or torch.device("cpu"))
    run_training(trainer, steps=trainer.steps, folder=folder, options=options or LoopOptions()).check_finished()
    return trainer.network()
