"""The baseline that every mask is compared with."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def blurred_error(
    plain: Float[Tensor, "batch 3 size size"], crop: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, "batch 1 size size"]:
    """Error of the plain reconstruction: mean absolute error over colours, blurred by a 5x5 box; in [0, 2]."""
    error = (plain.clamp(-1, 1) - crop).abs().mean(dim=1, keepdim=True)
    return F.avg_pool2d(F.pad(error, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
