"""Train an encoder against a frozen generator, by e4e's recipe (Tov et al. 2021, arXiv 2102.02766).

The target is the person: accessories, background and pasted occlusions weigh nothing or little, so the encoder learns
to see the face behind them and leaves the rest to the decomposition. Photos without masks weigh the same everywhere,
except under what was pasted, where the clean picture is known and wanted.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training import parallel
from oodinv.training.averaging import average_into, ema_decay
from oodinv.training.beginning import begin_digest, take_over
from oodinv.training.data import Dataset, pick
from oodinv.training.deltas import active_layers, delta_norms, hold_back
from oodinv.training.errors import TrainingError
from oodinv.training.examples import Examples, draw_examples
from oodinv.training.fingerprint import digest, fingerprint, network_digest
from oodinv.training.latent_critic import CodePool, LatentDiscriminator, latent_r1
from oodinv.training.latents import LatentSource, NormalLatents
from oodinv.training.loop import LoopOptions, run_training
from oodinv.training.loss_networks import ImageWeights, LossNetworks, image_terms
from oodinv.training.losses import discriminator_adversarial, generator_adversarial
from oodinv.training.optimising import channels_last, check_rates, half_precision

_SHOWN = 12
_PARTS = ("encoder", "average", "critic", "optimizer", "critic_optimizer")


@dataclass(frozen=True, kw_only=True)
class EncoderTraining:
    """How an encoder is trained."""

    images: int = 60_000
    batch: int = 8
    """Of all workers together."""
    rate: float = 8e-4
    final_rate: float = 5e-5
    """The rate falls linearly from one to the other."""
    clip: float = 10.0
    """Largest norm of the gradient."""
    image: ImageWeights = ImageWeights(square=1.0, perceptual=0.8, identity=0.1)  # noqa: RUF009 (frozen)
    """Terms of the drawn image against the clean crop."""
    latent_weight: float = 0.1
    """Of the squared distance to the true style, where the portraits' parameters tell it."""
    delta_weight: float = 2e-4
    """Of `delta_norms`."""
    progressive_begin: int = 2_000
    """Images with one style for all layers; 0 = none."""
    progressive_every: int = 400
    """Images between one layer's joining and the next one's; 0 = all join at once."""
    adversarial: float = 0.02
    """Weight of the latent discriminator; 0 = there is none. e4e has 0.1 beside losses of its scale."""
    critic_rate: float = 2e-5
    r1: float = 10.0
    """Weight of the squared gradient is half of this."""
    r1_every: int = 16
    pool: int = 50
    """Codes of earlier steps that the discriminator goes on seeing."""
    background_weight: float = 0.3
    occluded_share: float = 0.4
    mirrored_share: float = 0.0
    """Mirrored portraits have no parameters: the distance to the true style leaves them out."""
    ema_images: float = 1_500.0
    ema_ramp: float = 0.2
    seed: int = 0

    def __post_init__(self):
        """Refuse what cannot be."""
        check_rates(self.rate, self.final_rate)
        if self.images < self.batch or self.batch < 1:
            raise TrainingError(f"expected at least one batch of images, got {self.images} in batches of {self.batch}")
        for name in ("occluded_share", "mirrored_share", "background_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if self.r1_every < 1 or self.pool < 1:
            raise TrainingError(f"r1_every and pool must be at least 1, got {self.r1_every} and {self.pool}")


class EncoderTrainer:
    """The training of an encoder as steps of the loop."""

    kind = "encoder"

    def __init__(
        self,
        data: Dataset,
        generator: Generator,
        config: EncoderConfig,
        training: EncoderTraining,
        *,
        latents: Latents | None = None,
        source: LatentSource | None = None,
        networks: LossNetworks = LossNetworks(),  # noqa: B008 (frozen)
        photographs: Num[Tensor, "photographs 3 size size"] | None = None,
        begin: nn.Module | None = None,
        device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    ):
        """Draw an encoder and a latent discriminator from the seed.

        Args:
            data: Crops of at least the generator's resolution; masks and parameters are used where there are any.
            generator: Frozen, used as it is.
            config: Shape of the encoder.
            training: How.
            latents: From parameters to the generator's latents; None = the parameters are of no use.
            source: What the generator's latents are distributed like; None = normal.
            networks: Given ones for the image terms.
            photographs: Pictures of anything that occlusions are cut from.
            begin: Another encoder to begin from: all that fits is taken from it, and all layers have a style of their
                own from the first step.
            device: Where.

        Raises:
            TrainingError: The crops are smaller than the generator's images, the parameters are no latents of it, or
                nothing of `begin` fits.
        """
        self.size = generator.config.resolution
        if data.size < self.size:
            raise TrainingError(
                f"crops of {data.size} pixels are too small for a generator of {self.size}: render or open larger ones"
            )
        self.data, self.config, self.training, self.device = data, config, training, device
        self.networks, self.photographs = networks, None if photographs is None else photographs.to(device)
        self.latents = latents if data.params is not None else None
        if self.latents is not None and len(self.latents.mean) != generator.config.z_dim:
            raise TrainingError(
                f"the portraits have {len(self.latents.mean)} parameters, the generator takes {generator.config.z_dim} "
                "latents: it was not trained on such portraits"
            )
        self.source = source or NormalLatents(generator.config.z_dim)
        self.steps = training.images // training.batch
        self.generator = generator.eval().requires_grad_(False).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parallel.step_seed(training.seed, 3))
            encoder, critic = Encoder(config), LatentDiscriminator(generator.config.style_dim)
        self._begin = begin_digest(begin)
        if begin is not None:
            take_over(encoder, begin)
        self.average = deepcopy(encoder).to(device).requires_grad_(False)
        self.encoder, self.critic = encoder.to(device), critic.to(device)
        for network in (self.encoder, self.average, self.generator):
            channels_last(network)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=training.rate)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=training.critic_rate, betas=(0.0, 0.99))
        self.pool = CodePool(training.pool, generator.config.style_dim)

    def fingerprint(self) -> Mapping[str, Any]:
        """Shape, training, frozen networks, terms and pictures."""
        return fingerprint(
            self.data, network=self.config, training=self.training, terms=self.networks.told(),
            generator=network_digest(self.generator),
            true_styles=None if self.latents is None else digest(self.latents.mean, self.latents.std),
            latents=[type(self.source).__name__, None if self.latents is None else self.latents.noise],
            photographs=None if self.photographs is None else digest(self.photographs),
            begin=self._begin,
        )  # fmt: skip

    def step(self, step: int) -> dict[str, float]:
        """Encoder, its average, latent discriminator."""
        training = self.training
        rate = training.final_rate + (training.rate - training.final_rate) * (1 - step / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        index = parallel.own_share(pick(step, training.batch, len(self.data), seed=training.seed + 7))
        rng = torch.Generator().manual_seed(parallel.step_seed(training.seed, 4, step, own=True))
        examples = self._examples(index, rng, training.mirrored_share)
        active = self._active(step)
        self.encoder.train()
        with half_precision(self.device):
            delta_w = hold_back(self.encoder(examples.crop).delta_w.float(), active)
            w_plus = self.generator.latent_avg + delta_w
            drawn = self.generator.synthesise(w_plus)
        loss, values = image_terms(self.networks, training.image, drawn, examples.clean, self._weight(examples))
        norms = delta_norms(delta_w)
        loss, values["deltas"] = loss + training.delta_weight * norms, norms.item()
        if self.latents is not None and training.latent_weight:
            distance = self._distance(w_plus, index, examples)
            loss, values["distance"] = loss + training.latent_weight * distance, distance.item()
        if training.adversarial:
            self.critic.requires_grad_(False)
            fooled = generator_adversarial(self.critic(w_plus[:, :active].flatten(0, 1)))
            loss, values["adversarial"] = loss + training.adversarial * fooled, fooled.item()
        self._descend(self.optimizer, self.encoder, loss, clip=training.clip)
        parallel.average_buffers(self.encoder)
        self._average(step)
        if training.adversarial:
            values |= self._critic_step(step, index, w_plus.detach()[:, :active], rng)
        return values

    def state(self) -> dict[str, Any]:
        """Encoders, latent discriminator, optimisers and pool."""
        return {name: getattr(self, name).state_dict() for name in _PARTS} | {"pool": self.pool.codes}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.pool.codes = state["pool"].clone()

    @torch.no_grad()
    def grid(self) -> list[Tensor]:
        """Covered crops and what the average makes of them."""
        index = np.linspace(0, len(self.data) - 1, min(_SHOWN, len(self.data))).astype(int)
        examples = self._examples(index, torch.Generator().manual_seed(self.training.seed), 0.0)
        drawn = self.generator.synthesise(self.generator.latent_avg + self.average.eval()(examples.crop).delta_w)
        return [examples.crop, drawn, examples.clean]

    def network(self) -> Encoder:
        """The averaged encoder on the processor, in evaluation mode."""
        return deepcopy(self.average).cpu().eval()

    def _active(self, step: int) -> int:
        training = self.training
        if self._begin is not None:
            return self.config.num_layers
        return active_layers(
            step * training.batch,
            self.config.num_layers,
            begin=training.progressive_begin,
            every=training.progressive_every,
        )

    def _weight(self, examples: Examples) -> Float[Tensor, "batch 1 size size"]:
        """Under a pasted occlusion the clean picture is known and is the target; under a rendered one nothing is."""
        if not self.data.has_masks:
            return torch.ones_like(examples.cover)
        background = self.training.background_weight
        return (background + (1 - background) * examples.inside) * (1 - examples.rendered)

    def _distance(self, w_plus: Tensor, index: np.ndarray, examples: Examples) -> Tensor:
        assert self.latents is not None and self.data.params is not None
        with torch.no_grad():
            true_w = self.generator.mapping(self.latents(self.data.params[index]).to(self.device))[:, None]
        distance = (w_plus - true_w).square().mean(dim=(1, 2))
        return (distance * ~examples.mirrored).mean()

    def _critic_step(self, step: int, index: np.ndarray, codes: Tensor, rng: torch.Generator) -> dict[str, float]:
        training = self.training
        self.critic.requires_grad_(True)
        with torch.no_grad():
            real = self.generator.mapping(self.source.of(index, rng).to(self.device)).float()
        # Of each picture one layer's code, as the pool takes them.
        layer = torch.randint(codes.shape[1], (len(codes),), generator=rng)
        # All processes keep one pool, so that the first one's checkpoint is everybody's.
        common = torch.Generator().manual_seed(parallel.step_seed(training.seed, 5, step))
        new = parallel.gather_rows(codes[torch.arange(len(codes)), layer])
        fake = parallel.own_rows(self.pool.exchange(new, common))
        loss = discriminator_adversarial(self.critic(real), self.critic(fake))
        values = {"critic": loss.item()}
        if step % training.r1_every == 0:
            seen = real.detach().requires_grad_(True)
            penalty = latent_r1(seen, self.critic(seen))
            loss, values["critic_r1"] = loss + training.r1 / 2 * training.r1_every * penalty, penalty.item()
        self._descend(self.critic_optimizer, self.critic, loss, clip=None)
        return values

    def _average(self, step: int) -> None:
        training = self.training
        decay = ema_decay(
            batch=training.batch,
            half_life=training.ema_images,
            seen=(step + 1) * training.batch,
            ramp=training.ema_ramp,
        )
        average_into(self.average, self.encoder, decay)

    def _descend(self, optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor, clip: float | None) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(network.parameters())
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()

    def _examples(self, index: np.ndarray, rng: torch.Generator, mirrored_share: float) -> Examples:
        return draw_examples(
            self.data,
            index,
            self.size,
            occluded_share=self.training.occluded_share,
            mirrored_share=mirrored_share,
            rng=rng,
            device=self.device,
            photographs=self.photographs,
        )


def train_encoder(
    data: Dataset,
    generator: Generator,
    config: EncoderConfig,
    training: EncoderTraining,
    folder: Path,
    *,
    latents: Latents | None = None,
    source: LatentSource | None = None,
    networks: LossNetworks | None = None,
    photographs: Num[Tensor, "photographs 3 size size"] | None = None,
    options: LoopOptions | None = None,
    device: torch.device | None = None,
) -> Encoder:
    """Train and return the averaged encoder, in evaluation mode; a stopped run is resumed.

    Raises:
        TrainingStopped: It was stopped before its end; the state is saved.
    """
    trainer = EncoderTrainer(
        data,
        generator,
        config,
        training,
        latents=latents,
        source=source,
        networks=networks or LossNetworks(),
        photographs=photographs,
        device=device or torch.device("cpu"),
    )
    run_training(trainer, steps=trainer.steps, folder=folder, options=options or LoopOptions()).check_finished()
    return trainer.network()
