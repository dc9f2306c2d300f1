"""Train an encoder against a frozen generator.

The target is the person: accessories, background and pasted occlusions weigh nothing or little, so the encoder
learns to see the face behind them and leaves the rest to the decomposition.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from oodinv.models.e4e import Encoder, EncoderConfig
from oodinv.models.stylegan2 import Generator
from oodinv.training.data import Dataset, pick
from oodinv.training.generator import Latents, known_params
from oodinv.training.losses import multiscale_l1
from oodinv.training.occlusions import paste_occlusions
from oodinv.training.run import Run, average_into, channels_last, set_rate


@dataclass(frozen=True, kw_only=True)
class EncoderTraining:
    """How an encoder is trained."""

    images: int
    batch: int = 8
    rate: float = 8e-4
    final_rate: float = 5e-5
    latent_weight: float = 0.1
    """Weight of the distance to the true style, where the portrait's parameters tell it."""
    spread_weight: float = 1e-3
    """Weight of the layers' offsets from the first one, which keeps codes near W where edits work (e4e, Eq. 1)."""
    background_weight: float = 0.3
    occluded_share: float = 0.4
    ema_images: float = 1_500.0
    seed: int = 0
    save_every: int = 200


def train_encoder(
    data: Dataset,
    generator: Generator,
    latents: Latents,
    config: EncoderConfig,
    training: EncoderTraining,
    folder: Path,
) -> Encoder:
    """Train and return the averaged encoder, in evaluation mode. Resumes where a stopped run was saved."""
    run = Run(folder)
    torch.manual_seed(training.seed)
    encoder, average = Encoder(config), Encoder(config)
    average.load_state_dict(encoder.state_dict())
    average.requires_grad_(False)
    for net in (encoder, average):
        channels_last(net)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=training.rate)
    generator.eval().requires_grad_(False)
    start, steps = 0, training.images // training.batch
    if (saved := run.load()) is not None:
        start = int(saved["step"])
        encoder.load_state_dict(saved["encoder"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])

    def save(step: int) -> None:
        run.save(
            {
                "step": step,
                "encoder": encoder.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
        )

    for step in tqdm(range(start, steps), initial=start, total=steps, desc="encoder"):
        set_rate(optimizer, training.final_rate + (training.rate - training.final_rate) * (1 - step / steps))
        where = pick(step, training.batch, len(data), seed=training.seed + 7)
        rng = torch.Generator().manual_seed(training.seed * 1_000_003 + step)
        loss, values = _loss(data, generator, latents, encoder, training, where, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 10.0)
        optimizer.step()
        average_into(average, encoder, 0.5 ** (training.batch / training.ema_images))
        if step % 50 == 0:
            run.log(step=step, **values)
        if (step + 1) % training.save_every == 0 or step + 1 == steps:
            save(step + 1)
            _grid(run, data, generator, average.eval())
    return average.eval()


def _loss(
    data: Dataset,
    generator: Generator,
    latents: Latents,
    encoder: Encoder,
    training: EncoderTraining,
    where: np.ndarray,
    rng: torch.Generator,
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    size = generator.config.resolution
    clean = data.crops(where, size)
    accessory = data.accessory(where, size)
    person = data.silhouette(where, size)
    crop, _ = paste_occlusions(clean, share=training.occluded_share, rng=rng)
    encoder.train()
    with torch.autocast(crop.device.type, torch.bfloat16):
        delta_w = encoder(crop).delta_w
        w_plus = generator.latent_avg + delta_w.float()
        drawn = generator.synthesise(w_plus)
    # Under a pasted occlusion the clean picture is known and is the target; under a rendered accessory nothing is.
    weight = (training.background_weight + (1 - training.background_weight) * person) * (1 - accessory)
    pixel = multiscale_l1(drawn, clean, weight)
    true_w = generator.mapping(latents(known_params(data)[where]))[:, None]
    distance = (w_plus - true_w).square().mean()
    spread = (delta_w[:, 1:] - delta_w[:, :1]).float().square().sum(dim=-1).add(1e-8).sqrt().mean()
    loss = pixel + training.latent_weight * distance + training.spread_weight * spread
    return loss, {"pixel": pixel.item(), "distance": distance.item(), "spread": spread.item()}


def _grid(run: Run, data: Dataset, generator: Generator, encoder: Encoder) -> None:
    # From the end of the dataset, where the crops with accessories lie.
    shown = np.linspace(0, len(data) - 1, 12).astype(int)
    crop = data.crops(shown, generator.config.resolution)
    with torch.no_grad():
        drawn = generator.synthesise(generator.latent_avg + encoder(crop).delta_w)
    run.grid("grid", [crop, drawn])
