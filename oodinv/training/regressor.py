"""A small network that reads attributes off a crop, independent of encoder and generator.

It measures what an edit has gained and what has come along. It is trained on portraits with labels, half of them with
something pasted over, so that an accessory that stays is not read as a changed face.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from oodinv.training import parallel
from oodinv.training.atomic import write_whole
from oodinv.training.averaging import average_into, ema_decay
from oodinv.training.data import Dataset, pick
from oodinv.training.errors import TrainingError
from oodinv.training.fingerprint import digest, fingerprint
from oodinv.training.loop import LoopOptions, run_training
from oodinv.training.occlusions import paste_occlusions
from oodinv.training.optimising import channels_last, check_rates, half_precision
from oodinv.training.preparing import Inputs

_FILE = "regressor.safetensors"
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class RegressorConfig:
    """Shape of a regressor."""

    labels: tuple[str, ...]
    resolution: int = 64
    """Side that crops are averaged to."""
    widths: tuple[int, ...] = (24, 48, 96, 128)
    """Channels after each stage; each halves the side."""

    def __post_init__(self):
        """Refuse what has no answer, or a side that the stages do not halve evenly."""
        if not self.labels:
            raise TrainingError("a regressor needs at least one label: the dataset has none that varies")
        if self.resolution % 2 ** len(self.widths):
            raise TrainingError(
                f"a regressor of {len(self.widths)} stages needs a side that is a multiple of "
                f"{2 ** len(self.widths)}, got {self.resolution}"
            )


class AttributeRegressor(nn.Module):
    """Crops to attributes, in standard deviations of the portraits it was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: RegressorConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(len(config.labels)))
        self.register_buffer("std", torch.ones(len(config.labels)))
        stages, num_in = [], 3
        for width in config.widths:
            stages.append(
                nn.Sequential(
                    nn.Conv2d(num_in, width, 3, 2, 1), nn.GroupNorm(_groups(width), width), nn.SiLU(),
                    nn.Conv2d(width, width, 3, 1, 1), nn.GroupNorm(_groups(width), width), nn.SiLU(),
                )
            )  # fmt: skip
            num_in = width
        self.stages = nn.ModuleList(stages)
        side = config.resolution // 2 ** len(config.widths)
        # And the mean colour, which the norms take away.
        self.hidden = nn.Linear(num_in * side * side + 3, num_in)
        self.out = nn.Linear(num_in, len(config.labels))

    def embed(self, crop: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        """What the attributes are read from: an embedding of the face where no identity network is at hand."""
        return self._embedded(self._maps(crop))

    def maps_and_attributes(
        self, crop: Float[Tensor, "batch 3 size size"]
    ) -> tuple[list[Tensor], Float[Tensor, "batch labels"]]:
        """The map of each stage, finest first, and what `forward` reads off the last one."""
        maps = self._maps(crop)
        return maps[1:], self.out(self._embedded(maps))

    def _maps(self, crop: Float[Tensor, "batch 3 size size"]) -> list[Tensor]:
        maps = [F.adaptive_avg_pool2d(crop.float(), self.config.resolution)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def _embedded(self, maps: list[Tensor]) -> Float[Tensor, "batch dim"]:
        return F.silu(self.hidden(torch.cat([maps[-1].flatten(1), maps[0].mean(dim=(2, 3))], dim=1)))

    def forward(self, crop: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch labels"]:
        """Standardised attributes of crops in [-1, 1] of any size, in the order of the labels."""
        return self.out(self.embed(crop))

    @torch.no_grad()
    def predict(self, crops: Float[Tensor, "batch 3 size size"]) -> dict[str, Float[Tensor, " batch"]]:
        """Attributes by name: 0 is the mean of the training portraits, 1 one standard deviation above."""
        device = self.mean.device
        return dict(zip(self.config.labels, self(crops.to(device)).float().cpu().unbind(dim=1), strict=True))

    def standardise(self, name: str, values: np.ndarray) -> np.ndarray:
        """Labels in the units of `predict`.

        Raises:
            KeyError: The regressor does not know the label.
        """
        if name not in self.config.labels:
            raise KeyError(f"no attribute {name!r}: the regressor knows {', '.join(self.config.labels)}")
        at = self.config.labels.index(name)
        return (values - float(self.mean[at])) / float(self.std[at])

    def save(self, path: Path) -> None:
        """Write one safetensors file that says its own shape; into a folder as `regressor.safetensors`."""
        path = path / _FILE if path.is_dir() else path
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.state_dict().items()}
        write_whole(path, safetensors.torch.save(state, metadata={"regressor": json.dumps(asdict(self.config))}))

    @classmethod
    def load(cls, path: Path) -> "AttributeRegressor":
        """Read what `save` wrote, in evaluation mode, frozen, on the processor.

        Raises:
            TrainingError: The file is not there or is no regressor.
        """
        path = path / _FILE if path.is_dir() else path
        try:
            with safe_open(path, framework="pt") as file:
                told = json.loads((file.metadata() or {})["regressor"])
            network = cls(
                RegressorConfig(
                    labels=tuple(told["labels"]), resolution=int(told["resolution"]), widths=tuple(told["widths"])
                )
            )
            network.load_state_dict(safetensors.torch.load_file(path))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"{path}: expected an attribute regressor, as its training writes it: {str(error)[:200]}"
            ) from error
        return network.eval().requires_grad_(False)


def regressor_sha256(path: Path) -> str:
    """Of the file that `AttributeRegressor.load` reads.

    Raises:
        TrainingError: It cannot be read.
    """
    path = path / _FILE if path.is_dir() else path
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}; check the spelling") from error


def find_regressor(inputs: Inputs) -> AttributeRegressor | None:
    """The input `regressor`, or None where none is given."""
    return AttributeRegressor.load(inputs.folders["regressor"]) if "regressor" in inputs.folders else None


def _groups(width: int) -> int:
    return next(groups for groups in (8, 4, 2, 1) if width % groups == 0)


@dataclass(frozen=True, kw_only=True)
class RegressorTraining:
    """How a regressor is trained."""

    images: int = 60_000
    batch: int = 32
    """Of all workers together."""
    rate: float = 2e-3
    final_rate: float = 5e-5
    weight_decay: float = 1e-2
    occluded_share: float = 0.5
    shift: float = 0.03
    """Largest displacement of a crop, as a share of its side: alignment is never exact."""
    colour: float = 0.15
    """Largest change of each colour's level, and of its contrast: light and cameras differ."""
    ema_images: float = 2_000.0
    ema_ramp: float = 0.2
    seed: int = 0

    def __post_init__(self):
        """Refuse what cannot be."""
        check_rates(self.rate, self.final_rate)
        if self.images < self.batch or self.batch < 1:
            raise TrainingError(f"expected at least one batch of images, got {self.images} in batches of {self.batch}")


def varying_labels(data: Dataset) -> tuple[str, ...]:
    """Labels that differ between the portraits, in the dataset's order; what is missing (NaN) does not count."""
    return tuple(name for name, values in data.labels.items() if np.nanstd(values) > 1e-6)


class RegressorTrainer:
    """The training of a regressor as steps of the loop."""

    kind = "regressor"

    def __init__(
        self,
        data: Dataset,
        config: RegressorConfig,
        training: RegressorTraining,
        *,
        device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    ):
        """Draw a network from the seed and take the labels' means and deviations from the dataset.

        Raises:
            TrainingError: The dataset lacks a label, or it does not vary.
        """
        known = varying_labels(data)
        missing = [name for name in config.labels if name not in known]
        if missing:
            raise TrainingError(
                f"no label {', '.join(missing)} that varies in this dataset: expected names among {', '.join(known)}"
            )
        self.data, self.config, self.training, self.device = data, config, training, device
        self.size = min(data.size, config.resolution)
        self.steps = training.images // training.batch
        labels = np.stack([data.labels[name] for name in config.labels], axis=1).astype(np.float64)
        mean, std = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
        self.labels = torch.from_numpy((labels - mean) / std).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(parallel.step_seed(training.seed, 3))
            network = AttributeRegressor(config)
        network.mean.copy_(torch.from_numpy(mean))
        network.std.copy_(torch.from_numpy(std))
        self.average = deepcopy(network).to(device).requires_grad_(False)
        self.regressor = network.to(device)
        for each in (self.regressor, self.average):
            channels_last(each)
        self.optimizer = torch.optim.AdamW(
            self.regressor.parameters(), lr=training.rate, weight_decay=training.weight_decay
        )

    def fingerprint(self) -> Mapping[str, Any]:
        """Shape, training, labels and pictures."""
        told = {name: digest(self.labels[:, i]) for i, name in enumerate(self.config.labels)}
        return fingerprint(self.data, network=self.config, training=self.training, labels=told)

    def step(self, step: int) -> dict[str, float]:
        """One batch."""
        training = self.training
        rate = training.final_rate + (training.rate - training.final_rate) * (1 - step / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        index = parallel.own_share(pick(step, training.batch, len(self.data), seed=training.seed + 13))
        rng = torch.Generator().manual_seed(parallel.step_seed(training.seed, 4, step, own=True))
        crop = self._seen(index, rng)
        with half_precision(self.device):
            told = self.regressor(crop).float()
        wanted = self.labels[index].to(self.device)
        known = ~wanted.isnan()
        difference = torch.where(known, told - wanted.nan_to_num(), 0.0)
        loss = difference.square().sum() / known.sum().clamp_min(1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients(self.regressor.parameters())
        torch.nn.utils.clip_grad_norm_(self.regressor.parameters(), 5.0)
        self.optimizer.step()
        decay = ema_decay(
            batch=training.batch,
            half_life=training.ema_images,
            seen=(step + 1) * training.batch,
            ramp=training.ema_ramp,
        )
        average_into(self.average, self.regressor, decay)
        each = difference.detach().square().sum(dim=0) / known.sum(dim=0).clamp_min(1)
        return {"error": loss.item()} | {
            f"error_{name}": value for name, value in zip(self.config.labels, each.tolist(), strict=True)
        }

    def state(self) -> dict[str, Any]:
        """Both networks and the optimiser."""
        return {name: getattr(self, name).state_dict() for name in ("regressor", "average", "optimizer")}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        for name in ("regressor", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])

    def grid(self) -> list[Tensor]:
        """What the network sees."""
        index = np.arange(min(_SHOWN, len(self.data)))
        return [self._seen(index, torch.Generator().manual_seed(self.training.seed))]

    def network(self) -> AttributeRegressor:
        """The averaged network on the processor, in evaluation mode, frozen."""
        return deepcopy(self.average).cpu().eval()

    def _seen(self, index: np.ndarray, rng: torch.Generator) -> Float[Tensor, "batch 3 size size"]:
        training, count = self.training, len(index)
        crop = self.data.crops(index, self.size).to(self.device)
        crop, _ = paste_occlusions(crop, share=training.occluded_share, rng=rng)
        level = (2 * torch.rand(count, 3, 1, 1, generator=rng) - 1) * training.colour
        contrast = 1 + (2 * torch.rand(count, 3, 1, 1, generator=rng) - 1) * training.colour
        place = torch.eye(2, 3).repeat(count, 1, 1)
        place[:, :, 2] = (2 * torch.rand(count, 2, generator=rng) - 1) * 2 * training.shift
        where = F.affine_grid(place, list(crop.shape), align_corners=False).to(self.device)
        crop = F.grid_sample(crop, where, padding_mode="border", align_corners=False)
        return (crop * contrast.to(self.device) + level.to(self.device)).clamp(-1, 1)


def train_regressor(
    data: Dataset,
    folder: Path,
    training: RegressorTraining,
    *,
    labels: Sequence[str] | None = None,
    options: LoopOptions | None = None,
    device: torch.device | None = None,
) -> AttributeRegressor:
    """Train on some labels, or on all that vary; a stopped run is resumed.

    Raises:
        TrainingStopped: It was stopped before its end; the state is saved.
    """
    config = RegressorConfig(labels=tuple(labels) if labels is not None else varying_labels(data))
    trainer = RegressorTrainer(data, config, training, device=device or torch.device("cpu"))
    run_training(trainer, steps=trainer.steps, folder=folder, options=options or LoopOptions()).check_finished()
    return trainer.network()


@torch.no_grad()
def explained(regressor: AttributeRegressor, data: Dataset, batch: int = 64) -> dict[str, float]:
    """Share of each label's variance that is read off a dataset (R²): 1 = exactly, 0 = as by the mean."""
    parts = [
        regressor.predict(data.crops(np.arange(at, min(at + batch, len(data))))) for at in range(0, len(data), batch)
    ]
    shares = {}
    for name in regressor.config.labels:
        told = np.concatenate([part[name].numpy() for part in parts])
        true = regressor.standardise(name, data.labels[name].astype(np.float64))
        known = ~np.isnan(true)
        shares[name] = float(1 - np.mean((told - true)[known] ** 2) / max(np.var(true[known]), 1e-12))
    return shares
