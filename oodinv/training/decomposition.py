"""Train a decomposition against a frozen generator and encoder.

The paper's image and mask terms (arXiv 2212.09262, as its released training has them). With supervision, beside them,
what is known of every pixel: rendered accessories and background, and occlusions pasted over any face, photos too.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from oodinv.models.decomposition import Decomposition, DecompositionConfig
from oodinv.models.inversion import Inversion, InversionModel
from oodinv.training import parallel
from oodinv.training.averaging import average_into, ema_decay
from oodinv.training.beginning import begin_digest, take_over
from oodinv.training.data import Dataset, pick
from oodinv.training.errors import TrainingError
from oodinv.training.examples import Examples, draw_examples
from oodinv.training.fingerprint import digest, fingerprint, network_digest
from oodinv.training.loop import LoopOptions, run_training
from oodinv.training.loss_networks import ImageWeights, LossNetworks, image_terms
from oodinv.training.losses import multiscale_l1, released_mask_loss
from oodinv.training.mask_calibration import fit_calibration
from oodinv.training.mask_losses import balanced_cross_entropy, overlap_loss
from oodinv.training.optimising import channels_last, check_rates, half_precision, numbers
from oodinv.training.schedule import released_levels, released_rate

_SHOWN = 12
_CALIBRATED_ON, _CALIBRATED_SIDE = 256, 128


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Weights of what is taught with true masks."""

    mask: float = 1.0
    """Cross-entropy of the final mask."""
    levels: float = 0.3
    """The same of each level's mask."""
    balance: float = 0.5
    """See `balanced_cross_entropy`; regions are the covered, the seen person, and the background."""
    overlap: float = 0.5
    """1 - soft IoU of the accessory inside the silhouette."""
    alignment: float = 1.0
    """Error of the aligned image on the person where it is seen."""
    face: float = 2.0
    """Squared error there of the blended image."""


@dataclass(frozen=True, kw_only=True)
class DecompositionTraining:
    """How a decomposition is trained. The defaults are this project's; `presets` has the released ones."""

    images: int = 40_000
    batch: int = 8
    """Of all workers together."""
    schedule: Literal["linear", "released"] = "linear"
    """`linear`: all levels from the start, and a rate that falls from `rate` to `final_rate`. `released`: levels join
    coarse to fine and the rate falls in steps, see `training.schedule`; `rate` and `final_rate` are not read."""
    rate: float = 1e-3
    final_rate: float = 1e-4
    momentum: float = 0.9
    """Adam's beta 1; beta 2 is 0.99."""
    clip: float = 5.0
    """Largest norm of the gradient."""
    image: ImageWeights = ImageWeights(perceptual=0.0, identity=0.0)  # noqa: RUF009 (frozen)
    """Terms of the blended image against the crop."""
    supervision: Supervision | None = field(default_factory=Supervision)
    """None = the paper's losses only."""
    regularisation: float = 0.1
    """Weight of the area and binary terms; 5 in the released training."""
    binary_weight: float = 0.04
    area_limit: float = 0.7
    """Mean of the final mask above which it is charged; 0.2 in the released training."""
    level_area_limits: Mapping[int, float] | None = None
    """The same for the masks of the levels, by resolution; None = these are not charged."""
    occluded_share: float = 0.6
    mirrored_share: float = 0.5
    ema_images: float = 2_000.0
    """Half-life of the moving average."""
    ema_ramp: float = 0.2
    """At the beginning the half-life is at most this share of the images seen."""
    seed: int = 0

    def __post_init__(self):
        """Refuse what cannot be."""
        check_rates(self.rate, self.final_rate)
        if self.images < self.batch or self.batch < 1:
            raise TrainingError(f"expected at least one batch of images, got {self.images} in batches of {self.batch}")
        for name in ("occluded_share", "mirrored_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} must be in [0, 1], got {getattr(self, name)}")


class DecompositionTrainer:
    """The training of a decomposition as steps of the loop."""

    kind = "decomposition"

    def __init__(
        self,
        data: Dataset,
        model: InversionModel,
        config: DecompositionConfig,
        training: DecompositionTraining,
        *,
        networks: LossNetworks = LossNetworks(),  # noqa: B008 (frozen)
        photographs: Num[Tensor, "photographs 3 size size"] | None = None,
        begin: nn.Module | None = None,
        device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    ):
        """Draw a decomposition from the seed; encoder and generator of the model are frozen and used as they are.

        Args:
            data: Crops of at least the generator's resolution, with masks or without.
            model: Its own decomposition is replaced.
            config: Shape of the decomposition.
            training: How.
            networks: Given ones for the image terms.
            photographs: Pictures of anything that occlusions are cut from.
            begin: Another decomposition to begin from: all that fits is taken from it.
            device: Where.

        Raises:
            TrainingError: Nothing of `begin` fits, or the crops are smaller than the generator's images.
        """
        self.size = model.generator.config.resolution
        if data.size < self.size:
            raise TrainingError(
                f"crops of {data.size} pixels are too small for a generator of {self.size}: render or open larger ones"
            )
        self.data, self.config, self.training, self.device = data, config, training, device
        self.networks, self.photographs = networks, None if photographs is None else photographs.to(device)
        self.steps = training.images // training.batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parallel.step_seed(training.seed, 3))
            decomposition = Decomposition(config)
        self._begin = begin_digest(begin)
        if begin is not None:
            take_over(decomposition, begin)
        self.average = deepcopy(decomposition).to(device).requires_grad_(False)
        model = model.eval().requires_grad_(False).to(device)
        self.model = InversionModel(model.encoder, model.generator, decomposition.to(device)).eval()
        channels_last(self.model)
        self.decomposition = decomposition
        self.optimizer = torch.optim.Adam(decomposition.parameters(), lr=training.rate)

    def fingerprint(self) -> Mapping[str, Any]:
        """Shape, training, frozen networks, terms and pictures."""
        return fingerprint(
            self.data, network=self.config, training=self.training, terms=self.networks.told(),
            generator=network_digest(self.model.generator), encoder=network_digest(self.model.encoder),
            photographs=None if self.photographs is None else digest(self.photographs),
            begin=self._begin,
        )  # fmt: skip

    def step(self, step: int) -> dict[str, float]:
        """One batch."""
        training = self.training
        active, rate = self._schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate, (training.momentum, 0.99)
        index = parallel.own_share(pick(step, training.batch, len(self.data), seed=training.seed + 11))
        rng = torch.Generator().manual_seed(parallel.step_seed(training.seed, 4, step, own=True))
        examples = self._examples(index, rng)
        result = invert_at(self.model, examples.crop, active)
        loss, values = decomposition_loss(result, examples, training, self.networks)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(self.decomposition.parameters())
        torch.nn.utils.clip_grad_norm_(self.decomposition.parameters(), training.clip)
        self.optimizer.step()
        decay = ema_decay(
            batch=training.batch,
            half_life=training.ema_images,
            seen=(step + 1) * training.batch,
            ramp=training.ema_ramp,
        )
        average_into(self.average, self.decomposition, decay)
        return values

    def state(self) -> dict[str, Any]:
        """Both decompositions and the optimiser."""
        return {name: getattr(self, name).state_dict() for name in ("decomposition", "average", "optimizer")}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        for name in ("decomposition", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])

    @torch.no_grad()
    def grid(self) -> list[Tensor]:
        """Crop, plain reconstruction, aligned image, mask, true mask, blended image: of the average."""
        # Spread over the dataset, since what is alike often lies together.
        index = np.linspace(0, len(self.data) - 1, min(_SHOWN, len(self.data))).astype(int)
        examples = self._examples(index, torch.Generator().manual_seed(self.training.seed), mirrored_share=0.0)
        shown = InversionModel(self.model.encoder, self.model.generator, self.average).eval()
        result = invert_at(shown, examples.crop, self.config.levels)
        assert result.plain is not None
        return [
            examples.crop, result.plain, result.generated, result.ood_mask, examples.truth, result.reconstruction,
        ]  # fmt: skip

    def network(self) -> Decomposition:
        """The averaged decomposition on the processor, in evaluation mode."""
        return deepcopy(self.average).cpu().eval()

    def calibrated(self) -> Decomposition:
        """`network` with its final mask calibrated on the training's pictures, where the truth about them is taught.

        Pixels count alike; pictures are covered as in the training only if their own accessories are not known.
        """
        network = self.network()
        if self.training.supervision is not None:
            network.config = replace(network.config, calibration=fit_calibration(self._masks()))
        return network

    @torch.no_grad()
    def _masks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        shown = InversionModel(self.model.encoder, self.model.generator, self.average).eval()
        index = np.linspace(0, len(self.data) - 1, min(_CALIBRATED_ON, len(self.data))).astype(int)
        rng = torch.Generator().manual_seed(parallel.step_seed(self.training.seed, 5))
        for start in range(0, len(index), self.training.batch):
            examples = self._examples(
                index[start : start + self.training.batch], rng, mirrored_share=0.0,
                occluded_share=0.0 if self.data.has_masks else None,
            )  # fmt: skip
            result = invert_at(shown, examples.crop, self.config.levels)
            weight = (examples.inside + examples.outside).clamp(0, 1)
            # Two numbers need no more, and all pixels of large pictures do not fit into memory.
            step = max(1, self.size // _CALIBRATED_SIDE)
            mask, truth, weight = (x[..., ::step, ::step] for x in (result.ood_mask.float(), examples.truth, weight))
            yield mask, truth, weight

    def _schedule(self, step: int) -> tuple[Sequence[int], float]:
        training = self.training
        if training.schedule == "released":
            return released_levels(step + 1, self.config.levels), released_rate(step + 1)
        left = 1 - step / self.steps
        return self.config.levels, training.final_rate + (training.rate - training.final_rate) * left

    def _examples(
        self,
        index: np.ndarray,
        rng: torch.Generator,
        mirrored_share: float | None = None,
        occluded_share: float | None = None,
    ) -> Examples:
        return draw_examples(
            self.data,
            index,
            self.size,
            occluded_share=self.training.occluded_share if occluded_share is None else occluded_share,
            mirrored_share=self.training.mirrored_share if mirrored_share is None else mirrored_share,
            rng=rng,
            device=self.device,
            photographs=self.photographs,
        )


def invert_at(model: InversionModel, crop: Float[Tensor, "batch 3 size size"], active: Sequence[int]) -> Inversion:
    """`InversionModel.invert` at some levels, with gradient to these only."""
    with half_precision(crop.device):
        with torch.no_grad():
            encoding = model.encode(crop)
            w_plus = model.generator.latent_avg + encoding.delta_w.float()
            plain = model.generator.synthesise(w_plus, content=encoding.content).float()
        return model.align(crop, w_plus, encoding.feature_maps, plain, content=encoding.content, active_levels=active)


def decomposition_loss(
    result: Inversion, examples: Examples, training: DecompositionTraining, networks: LossNetworks
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """The weighted sum of all terms, and each by itself."""
    mask, everywhere = result.ood_mask.float(), torch.ones_like(examples.cover)
    blended = result.reconstruction.float()
    loss, values = image_terms(networks, training.image, blended, examples.crop, everywhere)
    limits = training.level_area_limits
    charged = {} if limits is None else {r: level.mask.float() for r, level in result.levels.items()}
    loss = loss + released_mask_loss(
        charged,
        mask,
        area_limits=limits or {},
        final_limit=training.area_limit,
        binary_weight=training.binary_weight,
        weight=training.regularisation,
    )
    values |= numbers({"area": mask.mean(), "true_area": examples.truth.mean()})
    if training.supervision is not None:
        taught, told = _supervised(result, mask, blended, examples, training.supervision)
        loss, values = loss + taught, values | told
    return loss, values


def _supervised(
    result: Inversion, mask: Tensor, blended: Tensor, examples: Examples, weights: Supervision
) -> tuple[Tensor, dict[str, float]]:
    face = examples.face
    regions, truth = [examples.inside * examples.cover, face, examples.outside], examples.truth
    entropy = balanced_cross_entropy(mask, truth, regions, balance=weights.balance)
    levels = [
        balanced_cross_entropy(
            level.mask.float(),
            # A level's mask is gated by the coarser ones: what they rule out, none of the finer can find again. So a
            # place is true at a level when any of its pixels is.
            F.adaptive_max_pool2d(truth, resolution),
            [F.adaptive_avg_pool2d(region, resolution) for region in regions],
            balance=weights.balance,
        )
        for resolution, level in result.levels.items()
    ]
    overlap = overlap_loss(mask, examples.cover, examples.inside)
    aligned = multiscale_l1(result.generated, examples.crop, face)
    on_face = ((blended - examples.crop).square() * face).mean() / face.mean().clamp_min(1e-3)
    loss = (
        weights.mask * entropy
        + weights.levels * torch.stack(levels).sum()
        + weights.overlap * overlap
        + weights.alignment * aligned
        + weights.face * on_face
    )
    return loss, numbers({"entropy": entropy, "overlap": overlap, "aligned": aligned, "face": on_face})


def train_decomposition(
    data: Dataset,
    model: InversionModel,
    config: DecompositionConfig,
    training: DecompositionTraining,
    folder: Path,
    *,
    networks: LossNetworks | None = None,
    photographs: Num[Tensor, "photographs 3 size size"] | None = None,
    options: LoopOptions | None = None,
    device: torch.device | None = None,
) -> Decomposition:
    """Train and return the moving average; a stopped run is resumed.

    Raises:
        TrainingStopped: It was stopped before its end; the state is saved.
    """
    trainer = DecompositionTrainer(
        data,
        model,
        config,
        training,
        networks=networks or LossNetworks(),
        photographs=photographs,
        device=device or torch.device("cpu"),
    )
    run_training(trainer, steps=trainer.steps, folder=folder, options=options or LoopOptions()).check_finished()
    return trainer.calibrated()
