"""The edits of a bundle: directions read, fitted to the generator and calibrated by its own latents."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from oodinv.bundles.formats.latent_avg import sample_w
from oodinv.bundles.formats.parts import GeneratorPart
from oodinv.bundles.shape import generator_shape
from oodinv.edits.direction import RAW
from oodinv.edits.directions import Direction, calibrate, read_direction
from oodinv.edits.edit import Edit
from oodinv.models.stylegan2 import Generator

NUM_SAMPLES, SEED = 4096, 1


@dataclass(frozen=True, kw_only=True)
class NamedDirections:
    """What a bundle stores of its edits."""

    tensors: Mapping[str, Tensor] = field(repr=False)
    fields: Mapping[str, Any]
    """`directions` in `bundle.json`, without file and hash."""


def read_directions(texts: Mapping[str, str], generator: GeneratorPart) -> NamedDirections:
    """Read and calibrate directions.

    Args:
        texts: By the edit's name, see `oodinv.edits.directions.read_direction`.
        generator: What they must fit. Without mapping layers there is nothing to calibrate by: they keep their length.

    Raises:
        EditError: A name or a direction cannot be used.
    """
    directions: dict[str, Direction] = {}
    network = _with_affines(generator) if texts else None
    for name, text in texts.items():
        Edit(name, 0.0)  # refuses a name no edit can have
        assert network is not None
        directions[name] = read_direction(text, generator_shape(network))
    if any(direction.unit is None for direction in directions.values()):
        assert network is not None
        directions = _calibrated(directions, generator, network)
    return NamedDirections(
        tensors={name: direction.tensor for name, direction in directions.items()},
        fields={
            "edits": {
                name: {
                    "space": direction.space,
                    "layers": list(direction.layers),
                    "unit": direction.unit,
                    "safe_range": list(direction.safe_range),
                }
                for name, direction in directions.items()
            }
        },
    )


def _calibrated(
    directions: Mapping[str, Direction], generator: GeneratorPart, network: Generator
) -> dict[str, Direction]:
    if not generator.config.num_mapping_layers:
        return {name: replace(d, unit=d.unit or RAW) for name, d in directions.items()}
    w = sample_w(generator, NUM_SAMPLES, SEED)
    styles = None
    if any(direction.space == "style" for direction in directions.values()):
        with torch.no_grad():
            rows = network.config.num_layers
            styles = torch.cat([network.styles(part[:, None].expand(-1, rows, -1)) for part in w.split(256)])
    return {name: calibrate(direction, w, styles) for name, direction in directions.items()}


def _with_affines(generator: GeneratorPart) -> Generator:
    """The generator, holding the file's own weights."""
    with torch.device("meta"):
        network = Generator(generator.config)
    weights = {name: tensor.float() for name, tensor in generator.weights.items()}
    network.load_state_dict(weights, strict=False, assign=True)
    return network
