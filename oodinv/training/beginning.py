"""A training that begins from what another one has learned."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from oodinv.training.errors import TrainingError
from oodinv.training.fingerprint import network_digest
from oodinv.training.seen import Seen
from oodinv.training.trained_parts import is_bundle


def take_over(network: nn.Module, begin: nn.Module, but: Collection[str] = ()) -> None:
    """Copy all tensors that have the same name and shape.

    Args:
        network: Takes them.
        begin: Has them; it may be of another size or kind in parts.
        but: Names that the network keeps as they are.

    Raises:
        TrainingError: None fits.
    """
    own = network.state_dict()
    shared = {name: tensor for name, tensor in begin.state_dict().items() if name in own and name not in but}
    fitting = {name: tensor for name, tensor in shared.items() if own[name].shape == tensor.shape}
    if not fitting and not but:
        raise TrainingError(
            f"nothing of the {type(begin).__name__} to begin from fits the {type(network).__name__} that is trained: "
            "give one of the same shape, set the shape (--set network.…) to its, or leave the input out"
        )
    network.load_state_dict(own | fitting)


def begin_digest(begin: nn.Module | None) -> str | None:
    """For the fingerprint: whoever begins elsewhere trains something else."""
    return None if begin is None else network_digest(begin)


def seen_before(folder: Path, kind: str) -> Seen | None:
    """What the network in a training's or a bundle's folder has seen; None = it does not say.

    Raises:
        TrainingError: The file is damaged.
    """
    return Seen.read(folder, "" if is_bundle(folder) else kind)
