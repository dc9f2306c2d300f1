"""Learned perceptual distance (Zhang et al. 2018, arXiv 1801.03924), version 0.1.

Features of a classification network are scaled to unit length at every place, and their squared differences weighted
channel by channel and averaged. The weights are not part of this project; a file holds `backbone.<i>.weight`,
`backbone.<i>.bias` and `heads.<i>`, the i-th convolution's and stage's, in the network's order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the networks' training pictures, for RGB in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class LpipsShape:
    """A network's convolutions: (channels in, channels out, kernel, stride, padding)."""

    name: str
    convs: tuple[tuple[int, int, int, int, int], ...]
    pools: dict[int, tuple[int, int]]
    """Before which convolutions pictures are pooled by their maximum: (kernel, stride)."""
    stages: tuple[int, ...]
    """Convolutions whose activations are compared."""
    published: tuple[int, ...]
    """Numbers of the convolutions under `features.` in the published state dict."""


ALEX = LpipsShape(
    name="alex",
    convs=((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1)),
    pools={1: (3, 2), 2: (3, 2)},
    stages=(0, 1, 2, 3, 4),
    published=(0, 3, 6, 8, 10),
)
_VGG_WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
VGG = LpipsShape(
    name="vgg",
    convs=tuple((a, b, 3, 1, 1) for a, b in pairwise(_VGG_WIDTHS)),
    pools={2: (2, 2), 4: (2, 2), 7: (2, 2), 10: (2, 2)},
    stages=(1, 3, 6, 9, 12),
    published=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
)


class Lpips(nn.Module):
    """Perceptual distance by one of the two networks."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: LpipsShape):
        super().__init__()
        self.shape = shape
        self.backbone = nn.ModuleList(
            nn.Conv2d(num_in, num_out, kernel, stride, padding)
            for num_in, num_out, kernel, stride, padding in shape.convs
        )
        self.heads = nn.ParameterList(nn.Parameter(torch.ones(shape.convs[i][1])) for i in shape.stages)
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "Lpips":
        """The network that a file's tensors belong to.

        Raises:
            ValueError: They are neither network's.
        """
        for shape in (ALEX, VGG):
            network = cls(shape)
            expected = {key: value.shape for key, value in network.state_dict().items()}
            if expected == {key: value.shape for key, value in weights.items()}:
                network.load_state_dict(dict(weights))
                return network.eval().requires_grad_(False)
        raise ValueError(
            "expected LPIPS weights of alex or vgg: backbone.<i>.weight, backbone.<i>.bias and heads.<i>, got "
            f"{len(weights)} tensors such as {sorted(weights)[:3]}; make the file with oodinv.evaluation.convert"
        )

    @torch.inference_mode()
    def forward(
        self, image: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Distance per image, 0 for the same picture; RGB in [-1, 1], the first clamped."""
        distance = image.new_zeros(len(image))
        ours, theirs = self._stages(image.clamp(-1, 1)), self._stages(target)
        for head, a, b in zip(self.heads, ours, theirs, strict=True):
            apart = (_unit(a) - _unit(b)).square() * head.reshape(1, -1, 1, 1)
            distance = distance + apart.sum(dim=1).mean(dim=(1, 2))
        return distance

    def _stages(self, x: Tensor) -> list[Tensor]:
        x, found = (x - self.mean) / self.deviation, []
        for index, conv in enumerate(self.backbone):
            if index in self.shape.pools:
                x = F.max_pool2d(x, *self.shape.pools[index])
            x = conv(x).relu()
            if index in self.shape.stages:
                found.append(x)
        return found


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
