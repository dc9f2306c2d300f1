"""What a training leaves: weights as safetensors, and beside them the network's shape as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from oodinv.models.stylegan2 import Generator, GeneratorConfig
from oodinv.training.atomic import write_whole
from oodinv.training.errors import TrainingError


def save_trained(folder: Path, *, kind: str, config: Any, network: nn.Module) -> None:
    """Write `<kind>.safetensors` and then `<kind>.json`, each whole or not at all.

    Args:
        folder: Made if need be.
        kind: Names the files.
        config: Dataclass of the network's shape.
        network: Its weights are written as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    write_whole(folder / f"{kind}.safetensors", safetensors.torch.save(state))
    write_whole(folder / f"{kind}.json", json.dumps({"kind": kind, "config": asdict(config)}, indent=1).encode())


def read_trained(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shape and weights of what `save_trained` wrote.

    Raises:
        TrainingError: They are not there, or cannot be read.
    """
    try:
        told = json.loads((folder / f"{kind}.json").read_bytes())
        return dict(told["config"]), safetensors.torch.load_file(folder / f"{kind}.safetensors")
    except FileNotFoundError as error:
        raise TrainingError(
            f"{folder} holds no trained {kind}: expected {kind}.json and {kind}.safetensors, which a training writes "
            "when it has ended. Let it end, or name another folder"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(f"the trained {kind} in {folder} cannot be read: {str(error)[:200]}") from error


def load_generator(folder: Path) -> Generator:
    """A trained generator, in evaluation mode, without gradients.

    Raises:
        TrainingError: The folder holds none, or shape and weights do not fit.
    """
    config, state = read_trained(folder, "generator")
    try:
        generator = Generator(GeneratorConfig(**config))
        generator.load_state_dict(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the trained generator in {folder} does not fit its shape: {str(error)[:300]}") from error
    return generator.eval().requires_grad_(False)
