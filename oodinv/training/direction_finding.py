"""Find edit directions: from labels, then straightened by what they do to drawn faces, with the range they are safe in.

A training without gradients, in steps of the loop so that it shows progress and can be stopped: the styles of all
labelled portraits batch by batch, one regression, and, where an attribute regressor is at hand, a few rounds of
measuring every direction and combining them so that each moves its own attribute only.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.models.encoding import CropEncoder
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.training.atomic import write_whole
from oodinv.training.components import principal_components
from oodinv.training.data import Dataset, DatasetError
from oodinv.training.data.names import check_label
from oodinv.training.directions import fit_directions
from oodinv.training.errors import TrainingError
from oodinv.training.fingerprint import digest, fingerprint, network_digest
from oodinv.training.latents import LatentSource, NormalLatents
from oodinv.training.leakage import Response, disentangle, measure_response, safe_range
from oodinv.training.regressor import AttributeRegressor

_NEAR = (-1.0, 1.0)
_SHOWN = (-3.0, -1.5, 0.0, 1.5, 3.0)


@dataclass(frozen=True, kw_only=True)
class DirectionSearch:
    """How directions are found."""

    names: tuple[str, ...] = ()
    """Labels that get a direction; empty = all that vary. All labels take part in the regression."""
    batch: int = 32
    rounds: int = 2
    """Of measuring and combining; 0 = the regression's directions as they are."""
    faces: int = 64
    """Portraits that a direction is measured on."""
    ridge: float = 0.05
    """See `disentangle`."""
    strengths: tuple[float, ...] = (-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0)
    """Where the range is measured."""
    components: int = 16
    """GANSpace components that are written beside the directions; 0 = none."""
    seed: int = 0

    def __post_init__(self):
        """Refuse what cannot be."""
        if self.batch < 1 or self.faces < 2 or self.rounds < 0:
            raise TrainingError(
                f"expected batch >= 1, faces >= 2 and rounds >= 0, got {self.batch}, {self.faces}, {self.rounds}"
            )
        if not any(0 < abs(s) <= 1 for s in self.strengths) or list(self.strengths) != sorted(self.strengths):
            raise TrainingError(f"strengths must rise and hold one of at most 1, got {self.strengths}")


@dataclass(frozen=True, kw_only=True)
class FoundDirection:
    """A direction and what it was measured to do."""

    tensor: Float[Tensor, " style_dim"] = field(repr=False)
    safe_range: tuple[float, float]
    gains: dict[str, float]
    """Change of every attribute per unit, in standard deviations; empty where nothing was measured."""


class DirectionTrainer:
    """The search as steps of the loop."""

    kind = "directions"

    def __init__(
        self,
        data: Dataset,
        generator: Generator,
        search: DirectionSearch,
        *,
        latents: Latents | None = None,
        encoder: CropEncoder | None = None,
        regressor: AttributeRegressor | None = None,
        source: LatentSource | None = None,
        device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    ):
        """Prepare the search.

        Args:
            data: Crops with labels: rendered, or photos with a `labels.csv`. Samples that lack one are left out.
            generator: Draws.
            search: How.
            latents: From the portraits' parameters to the generator's latents: their styles are then exact.
            encoder: Reads the styles off the crops where parameters are not known.
            regressor: Measures; None = directions are not straightened, and the range is a guess of ±2.
            source: What the generator's latents are distributed like, for GANSpace; None = normal.
            device: Where.

        Raises:
            TrainingError: There is no way to the portraits' styles, or a label is missing or has a name that files
                cannot have.
        """
        if encoder is None and (latents is None or data.params is None):
            raise TrainingError(
                "the styles of these pictures are not known: expected portraits with parameters the generator was "
                "trained on, or --input encoder=DIR"
            )
        varying = [name for name, values in data.labels.items() if np.nanstd(values) > 1e-6]
        names = list(search.names) or varying
        missing = [name for name in names if name not in varying]
        if missing or not names:
            raise TrainingError(
                f"no label {', '.join(missing) or 'at all'} that varies: expected names among {', '.join(varying)}; "
                "photos get labels from a labels.csv"
            )
        for name in names:
            try:
                check_label(name, "directions")  # a dataset from arrays has any names, and a direction's is a file's
            except DatasetError as error:
                raise TrainingError(str(error)) from error
        complete = np.all([~np.isnan(data.labels[name]) for name in varying], axis=0)
        self.data, self.names, self.search, self.device = data.subset(np.nonzero(complete)[0]), names, search, device
        self.labels = {name: self.data.labels[name] for name in varying}
        if len(self.data) <= len(varying):
            raise TrainingError(
                f"{len(self.data)} completely labelled pictures are too few for {len(varying)} labels: label more, or "
                "leave labels out"
            )
        self.generator = generator.eval().requires_grad_(False).to(device)
        self.latents = latents if data.params is not None else None
        self.encoder = None if encoder is None else encoder.eval().requires_grad_(False).to(device)
        self.regressor = None if regressor is None else regressor.to(device)
        self.source = source or NormalLatents(generator.config.z_dim)
        self.attributes = [] if regressor is None else list(regressor.config.labels)
        unseen = [name for name in names if regressor is not None and name not in self.attributes]
        if unseen:
            raise TrainingError(
                f"the regressor does not measure {', '.join(unseen)}: it knows {', '.join(self.attributes)}"
            )
        style_dim, count = generator.config.style_dim, len(names)
        self.w = torch.zeros(len(self.data), style_dim)
        self.directions = torch.zeros(count, style_dim)
        self.gains = torch.zeros(count, len(self.attributes))
        self.moved = torch.zeros(count, len(search.strengths), len(self.attributes))
        self._start: Tensor | None = None
        self._batches = -(-len(self.data) // search.batch)
        rounds = 0 if regressor is None else search.rounds
        self._measured = 0 if regressor is None else (rounds + 1) * count
        self.steps = self._batches + 1 + self._measured

    def fingerprint(self) -> Mapping[str, Any]:
        """Search, networks, labels and pictures."""
        return fingerprint(
            self.data, search=self.search, names=self.names, attributes=self.attributes,
            generator=network_digest(self.generator),
            encoder=None if self.encoder is None else network_digest(self.encoder),
            regressor=None if self.regressor is None else network_digest(self.regressor),
            true_styles=None if self.latents is None else digest(self.latents.mean, self.latents.std),
            labels={name: digest(values) for name, values in self.labels.items()},
        )  # fmt: skip

    @torch.no_grad()
    def step(self, step: int) -> dict[str, float]:
        """One batch of styles, the regression, or one direction's measurement."""
        if step < self._batches:
            return self._read_styles(step)
        if step == self._batches:
            return self._fit()
        return self._measure(step - self._batches - 1)

    def state(self) -> dict[str, Any]:
        """Styles, directions, and what was measured."""
        return {"w": self.w, "directions": self.directions, "gains": self.gains, "moved": self.moved}

    def restore(self, state: dict[str, Any]) -> None:
        """Put a saved state back."""
        for name in ("w", "directions", "gains", "moved"):
            setattr(self, name, state[name].clone())

    @torch.no_grad()
    def grid(self) -> list[Tensor]:
        """The first face along every direction found so far."""
        w = self.w[:1].to(self.device)
        rows = []
        for direction in self.directions.to(self.device):
            along = torch.cat([w + strength * direction for strength in _SHOWN])
            rows.append(self._draw(along))
        return rows

    def found(self) -> dict[str, FoundDirection]:
        """Directions by name."""
        found = {}
        for index, name in enumerate(self.names):
            reach, gains = (-2.0, 2.0), {}
            if self.regressor is not None:
                response = Response(strengths=self.search.strengths, moved=self.moved[index])
                own, gain = self.attributes.index(name), response.gain
                reach = safe_range(self.search.strengths, self.moved[index, :, own].tolist(), float(gain[own]))
                gains = dict(zip(self.attributes, gain.tolist(), strict=True))
            found[name] = FoundDirection(tensor=self.directions[index].clone(), safe_range=reach, gains=gains)
        return found

    def write(self, folder: Path, *, regressor_sha256: str | None = None) -> None:
        """Write what was found, and which regressor measured it.

        `directions.safetensors` and `.json` for a bundle, each direction as `NAME.npy` for any edit, and GANSpace's
        components as `ganspace.pt`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        found = self.found()
        layers = self.generator.config.num_layers
        told = {
            name: {
                "space": "w",
                "layers": [0, layers],
                "unit": "1 = one standard deviation of the attribute among the labelled portraits",
                "safe_range": list(each.safe_range),
                "gains": {attribute: round(gain, 4) for attribute, gain in each.gains.items()},
            }
            for name, each in found.items()
        }
        write_whole(folder / "directions.safetensors", safetensors.torch.save({n: d.tensor for n, d in found.items()}))
        for name, each in found.items():
            write_whole(folder / f"{name}.npy", _bytes(partial(np.save, arr=each.tensor.numpy())))
        if self.search.components:
            write_whole(folder / "ganspace.pt", _bytes(partial(torch.save, self.components())))
        document = {
            "kind": "directions",
            "edits": told,
            "search": asdict(self.search),
            "regressor_sha256": regressor_sha256,
        }
        write_whole(folder / "directions.json", json.dumps(document, indent=1).encode())

    @torch.no_grad()
    def components(self) -> dict[str, Tensor]:
        """GANSpace's dictionary of the mapping network, as edits read it."""
        w = self.generator.mapping(self.source.many().to(self.device)).cpu()
        components, deviations = principal_components(w, min(self.search.components, len(w) - 1, w.shape[1]))
        return {"comp": components[:, None], "std": deviations, "mean": w.mean(dim=0, keepdim=True)}

    def _read_styles(self, step: int) -> dict[str, float]:
        index = np.arange(step * self.search.batch, min((step + 1) * self.search.batch, len(self.data)))
        if self.latents is not None and self.data.params is not None:
            w = self.generator.mapping(self.latents(self.data.params[index]).to(self.device))
        else:
            assert self.encoder is not None
            crops = self.data.crops(index, min(self.data.size, self.generator.config.resolution)).to(self.device)
            # One style for all layers: what they have in common.
            delta_w = self.encoder(crops, lambda d: self._draw_plus(self.generator.latent_avg + d)).delta_w
            w = self.generator.latent_avg + delta_w.mean(dim=1)
        self.w[torch.from_numpy(index)] = w.float().cpu()
        return {"styles": float((step + 1) / self._batches)}

    def _fit(self) -> dict[str, float]:
        fitted = fit_directions(self.w, self.labels, self.names)
        self.directions = torch.stack([fitted[name] for name in self.names])
        return {"styles": 1.0}

    def _measure(self, number: int) -> dict[str, float]:
        """One direction; after the last one of a round all of them are combined, but not after the last round."""
        count = len(self.names)
        round_number, index = divmod(number, count)
        last_round = round_number == self._measured // count - 1
        chosen = np.random.default_rng(self.search.seed).choice(
            len(self.w), size=min(self.search.faces, len(self.w)), replace=False
        )
        w, direction = self.w[torch.from_numpy(chosen)].to(self.device), self.directions[index].to(self.device)
        strengths = self.search.strengths if last_round else _NEAR
        if self._start is None:  # the same faces for all directions
            self._start = self._attributes_of(w)
        response = measure_response(self._attributes_of, w, direction, strengths, self._start)
        self.gains[index] = response.gain.cpu()
        if last_round:
            self.moved[index] = response.moved.cpu()
        elif index == count - 1:
            self._combine()
        own = self.attributes.index(self.names[index])
        others = [gain for at, gain in enumerate(self.gains[index].abs().tolist()) if at != own]
        return {"gain": float(self.gains[index, own]), "leakage": float(np.mean(others)) if others else 0.0}

    def _combine(self) -> None:
        before = dict(zip(self.names, self.directions, strict=True))
        try:
            after = disentangle(before, self.gains, self.attributes, ridge=self.search.ridge)
        except ValueError as error:
            raise TrainingError(f"{error}: leave it out of the names, or train the generator longer") from error
        self.directions = torch.stack([after[name] for name in self.names])

    def _attributes_of(self, w: Tensor) -> Tensor:
        assert self.regressor is not None
        return torch.cat([self.regressor(self._draw(part)).float().cpu() for part in w.split(self.search.batch)])

    def _draw(self, w: Tensor) -> Tensor:
        return self._draw_plus(w[:, None].expand(-1, self.generator.config.num_layers, -1))

    def _draw_plus(self, w_plus: Tensor) -> Tensor:
        return self.generator.synthesise(w_plus.contiguous()).float().clamp(-1, 1)


def _bytes(save: Callable[[IO[bytes]], None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()
