"""Dense warping of feature maps by a predicted flow."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Padding = Literal["zeros", "border"]


def warp(
    feature_map: Float[Tensor, "batch channel height width"],
    flow: Float[Tensor, "batch xy=2 height width"],
    *,
    align_corners: bool = True,
    padding: Padding = "border",
) -> Float[Tensor, "batch channel height width"]:
    """Resample a feature map at positions displaced by a flow.

    Convention:
        `flow` is backward: output(p) = input(p + flow(p)). Units are normalised image coordinates (the full width or
        height is 2.0), channel order is (x, y). The grid runs from corner to corner; sampling is bilinear. With the
        defaults a zero flow is the identity. `align_corners=False` with `padding="zeros"` is the mismatch released
        decompositions were trained with: a zero flow then stretches the map slightly and darkens its border.

    Args:
        feature_map: Activations, any range.
        flow: Displacement.
        align_corners: How the sampler reads the corner-aligned grid.
        padding: What lies outside the map.

    Returns:
        The warped map, in the dtype of `feature_map`.
    """
    height, width = feature_map.shape[-2:]
    # float32: half precision places a sample up to a quarter of a pixel off at 256.
    flow = flow.float()
    y = torch.linspace(-1, 1, height, device=flow.device)
    x = torch.linspace(-1, 1, width, device=flow.device)
    identity = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [height, width, xy]
    grid = identity + flow.permute(0, 2, 3, 1)
    warped = F.grid_sample(feature_map.float(), grid, padding_mode=padding, align_corners=align_corners)
    return warped.to(feature_map.dtype)
