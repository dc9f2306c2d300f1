"""What a resumed run must share with the one before it."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oodinv.training.data import Dataset


def fingerprint(data: Dataset, **configs: Any) -> dict[str, Any]:
    """Configurations (dataclasses or plain values) and the pictures with their parameters, as JSON.

    Args:
        data: Every crop counts, in its order.
        configs: By name.
    """
    told = {name: asdict(c) if hasattr(c, "__dataclass_fields__") else c for name, c in configs.items()}
    pictures = {"count": len(data), "size": data.size, "sha256": _short(hashlib.sha256("".join(data.hashes).encode()))}
    params = None if data.params is None else digest(data.params)
    return told | {"pictures": pictures, "params": params}


def digest(*arrays: np.ndarray | Tensor) -> str:
    """Hash of numbers, their type and shape."""
    hashed = hashlib.sha256()
    for array in arrays:
        tensor = torch.as_tensor(array).detach().cpu().contiguous()
        hashed.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return _short(hashed)


def network_digest(network: nn.Module) -> str:
    """Hash of a frozen network's weights: whoever goes on against others trains something else."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        hashed.update(f"{name}{digest(tensor)}".encode())
    return _short(hashed)


def function_digest(function: Callable[..., Any] | None) -> str | None:
    """Of the network that a function is, or is a method of; of any other function only that there is one."""
    if function is None:
        return None
    network = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
    return network_digest(network) if isinstance(network, nn.Module) else "a function"


def _short(hashed: Any) -> str:
    return hashed.hexdigest()[:16]
