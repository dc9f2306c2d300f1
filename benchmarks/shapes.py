"""One forward in which tensors are shapes: a precision's path, for a model of any size, on any machine."""

from typing import Any

import torch
from torch._subclasses import FakeTensorMode

from benchmarks.precision import DTYPES, Precise
from benchmarks.subject import full_model


def check_shapes(size: int, dtype: str, batch: int) -> dict[str, Any]:
    """Invert and edit with the full-size configuration without computing or allocating anything.

    Not on torch's meta device: that has no autocast. Fake tensors are meta tensors that say they are on a real device,
    here the CPU, so autocast chooses dtypes as in a real run.

    Returns:
        Shapes and dtypes of what came out.
    """
    with FakeTensorMode():
        model = Precise(model=full_model(size), device=torch.device("cpu"), dtype=DTYPES[dtype])
        config = model.model.generator.config
        inversion = model.invert(torch.zeros(batch, 3, size, size))
        edited = model.edit(inversion, torch.zeros(1, config.num_layers, config.style_dim))
        tensors = {
            "w_plus": inversion.w_plus,
            "ood_mask": inversion.ood_mask,
            "generated": inversion.generated,
            "reconstruction": inversion.reconstruction,
            "edited": edited.reconstruction,
        }
        tensors |= {f"features at {resolution}": features for resolution, features in inversion.feature_maps.items()}
        tensors |= {f"flow at {resolution}": level.flow for resolution, level in inversion.levels.items()}
        found = {
            name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
            for name, tensor in tensors.items()
        }
    return {"size": size, "dtype": dtype, "batch": batch, "tensors": found}
