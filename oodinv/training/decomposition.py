"""Train a decomposition against a frozen generator and encoder.

The paper's image loss and mask terms, and, where true masks exist (rendered accessories, background, pasted
occlusions), the cross-entropy of the final mask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from oodinv.models.decomposition import Decomposition, DecompositionConfig
from oodinv.models.inversion import Inversion, InversionModel
from oodinv.training.data import Dataset, pick
from oodinv.training.losses import multiscale_l1, released_mask_loss
from oodinv.training.occlusions import paste_occlusions
from oodinv.training.run import Run, average_into, channels_last, set_rate
from oodinv.training.schedule import released_levels, released_rate


@dataclass(frozen=True, kw_only=True)
class DecompositionTraining:
    """How a decomposition is trained."""

    images: int
    batch: int = 8
    schedule: Literal["linear", "released"] = "linear"
    """`linear`: all levels from the start, and a rate that falls from `rate` to `final_rate`. `released`: levels join
    coarse to fine and the rate falls in steps, see `training.schedule`; `rate` and `final_rate` are not read."""
    rate: float = 1e-3
    final_rate: float = 1e-4
    mask_weight: float = 1.0
    """Weight of the cross-entropy with the true mask; 0 = the paper's losses only."""
    covered_weight: float = 2.0
    """Extra weight of covered pixels in the cross-entropy: accessories are few beside the background."""
    alignment_weight: float = 1.0
    """Weight of the aligned image's error where the truth is in domain."""
    regularisation: float = 0.1
    """Weight of the area and binary terms."""
    area_limit: float = 0.7
    """Mean of the final mask above which it is charged; the released training had 0.2, and a `regularisation` of 5."""
    level_area_limits: Mapping[int, float] | None = None
    """The same for the masks of the levels, by resolution, see `released_mask_loss`; None = these are not charged."""
    occluded_share: float = 0.5
    ema_images: float = 2_000.0
    seed: int = 0
    save_every: int = 100


def train_decomposition(
    data: Dataset,
    model: InversionModel,
    config: DecompositionConfig,
    training: DecompositionTraining,
    folder: Path,
) -> Decomposition:
    """Train `model.decomposition` (replaced by a fresh one of `config`) and return its moving average."""
    run = Run(folder)
    torch.manual_seed(training.seed)
    model.eval().requires_grad_(False)
    model.decomposition = Decomposition(config)
    average = Decomposition(config).requires_grad_(False)
    average.load_state_dict(model.decomposition.state_dict())
    channels_last(model)
    optimizer = torch.optim.Adam(model.decomposition.parameters(), lr=training.rate)
    start, steps = 0, training.images // training.batch
    if (saved := run.load()) is not None:
        start = int(saved["step"])
        model.decomposition.load_state_dict(saved["decomposition"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
    for step in tqdm(range(start, steps), initial=start, total=steps, desc="decomposition"):
        active, rate = config.levels, training.final_rate + (training.rate - training.final_rate) * (1 - step / steps)
        if training.schedule == "released":
            active, rate = released_levels(step + 1, config.levels), released_rate(step + 1)
        set_rate(optimizer, rate)
        where = pick(step, training.batch, len(data), seed=training.seed + 11)
        rng = torch.Generator().manual_seed(training.seed * 1_000_003 + step)
        loss, values = _loss(data, model, training, active, where, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.decomposition.parameters(), 5.0)
        optimizer.step()
        average_into(average, model.decomposition, 0.5 ** (training.batch / training.ema_images))
        if step % 20 == 0:
            run.log(step=step, **values)
        if (step + 1) % training.save_every == 0 or step + 1 == steps:
            run.save(
                {
                    "step": step + 1,
                    "decomposition": model.decomposition.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                }
            )
            _grid(run, data, model, active)
    return average.eval()


def _invert(model: InversionModel, crop: Float[Tensor, "batch 3 size size"], active: Sequence[int]) -> Inversion:
    """`InversionModel.invert` at some levels, with gradient to these only."""
    with torch.autocast(crop.device.type, torch.bfloat16):
        with torch.no_grad():
            encoding = model.encode(crop)
            w_plus = model.generator.latent_avg + encoding.delta_w.float()
            plain = model.generator.synthesise(w_plus, content=encoding.content).float()
        return model.align(crop, w_plus, encoding.feature_maps, plain, content=encoding.content, active_levels=active)


def _loss(
    data: Dataset,
    model: InversionModel,
    training: DecompositionTraining,
    active: Sequence[int],
    where: np.ndarray,
    rng: torch.Generator,
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    size = model.generator.config.resolution
    crop, pasted = paste_occlusions(data.crops(where, size), share=training.occluded_share, rng=rng)
    truth = torch.maximum(data.out_of_domain(where, size), pasted)
    weight = 1 + training.covered_weight * torch.maximum(data.accessory(where, size), pasted)
    result = _invert(model, crop, active)
    mask = result.ood_mask.float()
    image = F.mse_loss(result.reconstruction.float(), crop)
    aligned = multiscale_l1(result.generated, crop, 1 - truth)
    entropy = _cross_entropy(mask, truth, weight)
    levels = [
        _cross_entropy(level.mask.float(), F.adaptive_avg_pool2d(truth, r), F.adaptive_avg_pool2d(weight, r))
        for r, level in result.levels.items()
    ]
    limits = training.level_area_limits
    charged = {} if limits is None else {r: level.mask.float() for r, level in result.levels.items()}
    terms = released_mask_loss(charged, mask, area_limits=limits or {}, final_limit=training.area_limit, weight=1.0)
    loss = (
        image
        + training.alignment_weight * aligned
        + training.mask_weight * (entropy + 0.3 * sum(levels))
        + training.regularisation * terms
    )
    return loss, {
        "image": image.item(),
        "aligned": aligned.item(),
        "entropy": entropy.item(),
        "area": mask.mean().item(),
        "true_area": truth.mean().item(),
    }


def _cross_entropy(mask: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    # Clamped: half-covered pixels and a mask of exactly 0 or 1 would give infinite terms.
    loss = F.binary_cross_entropy(mask.clamp(1e-4, 1 - 1e-4), truth.clamp(0, 1), reduction="none")
    return (loss * weight).sum() / weight.sum()


def _grid(run: Run, data: Dataset, model: InversionModel, active: Sequence[int]) -> None:
    shown = np.linspace(0, len(data) - 1, 12).astype(int)
    crop = data.crops(shown, model.generator.config.resolution)
    with torch.no_grad():
        result = _invert(model, crop, active)
    assert result.plain is not None
    truth = data.out_of_domain(shown, crop.shape[-1])
    run.grid("grid", [crop, result.plain, result.generated, result.ood_mask, truth, result.reconstruction])
