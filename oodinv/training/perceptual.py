"""Perceptual and style loss on VGG19 (Simonyan and Zisserman 2014; Gatys et al. 2016), of given weights.

The weights are torchvision's `vgg19` (trained on ImageNet) written as safetensors under its own names; this project
ships none. What is used in their place is in `structure`.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from oodinv.training.errors import TrainingError

CONVS_PER_BLOCK = (2, 2, 4, 4, 4)
TAP_WEIGHTS = (0.1, 0.1, 1.0, 1.0, 1.0)
"""Of the last convolution of each block: conv1_2, conv2_2, conv3_4, conv4_4, conv5_4."""

_ADVICE = "Write torchvision's state dict with safetensors, or leave the input vgg out"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def layer_numbers() -> list[int]:
    """Numbers of the sixteen convolutions among torchvision's `features`, with activations and poolings between."""
    numbers, at = [], 0
    for count in CONVS_PER_BLOCK:
        numbers += [at + 2 * k for k in range(count)]
        at += 2 * count + 1
    return numbers


class VGG19Features(nn.Module):
    """Images to the output of the last convolution of each of the five blocks, before its ReLU. Frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self, widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)):
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))
        channels = [3] + [width for width, count in zip(widths, CONVS_PER_BLOCK, strict=True) for _ in range(count)]
        self.convs = nn.ModuleList(nn.Conv2d(num_in, num_out, 3, padding=1) for num_in, num_out in pairwise(channels))
        self.requires_grad_(False).eval()

    def forward(self, image: Float[Tensor, "batch 3 size size"]) -> list[Tensor]:
        """Five maps of an image in [-1, 1], the first at full size, each following at half the one before."""
        x = ((image.float() + 1) / 2 - self.mean) / self.std
        maps, index = [], 0
        for block, count in enumerate(CONVS_PER_BLOCK):
            if block:
                x = F.max_pool2d(x, 2)
            for last in range(count - 1, -1, -1):
                x = self.convs[index](x)
                index += 1
                if last == 0:
                    maps.append(x)
                x = F.relu(x)
        return maps


def read_vgg19(path: Path) -> VGG19Features:
    """Read torchvision's `vgg19`; its classifier may be in the file and is not read.

    Raises:
        TrainingError: No safetensors file, or a convolution is missing or has another shape.
    """
    names = [f"features.{number}.{part}" for number in layer_numbers() for part in ("weight", "bias")]
    try:
        with safe_open(path, framework="pt") as file:
            missing = [name for name in names if name not in file.keys()]
            if missing:
                raise TrainingError(
                    f"{path}: expected torchvision's vgg19 with features.0.weight to features.34.bias, "
                    f"missing {', '.join(missing[:3])}. {_ADVICE}"
                )
            tensors = [file.get_tensor(name).float() for name in names]
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: expected vgg19 as a safetensors file, got {error}. {_ADVICE}") from error
    a, b, c, d, e = (tensors[2 * sum(CONVS_PER_BLOCK[: k + 1]) - 1].shape[0] for k in range(5))
    network = VGG19Features((a, b, c, d, e))
    for name, ours, theirs in zip(names, network.convs.state_dict().values(), tensors, strict=True):
        if ours.shape != theirs.shape:
            raise TrainingError(
                f"{path}: expected {name} of shape {tuple(ours.shape)}, got {tuple(theirs.shape)}. {_ADVICE}"
            )
        ours.copy_(theirs)
    return network


def gram_matrix(feature_map: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch channel channel"]:
    """F Fᵀ / (channel · height · width): which channels fire together, wherever they do."""
    flat = feature_map.float().flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


@dataclass(frozen=True, kw_only=True)
class PerceptualTerms:
    """Both losses of one pass over the network."""

    perceptual: Float[Tensor, ""]
    """Σ weight · mean |V(image) - V(target)| over the taps."""
    style: Float[Tensor, ""]
    """Σ weight · mean |Gram V(image) - Gram V(target)|."""


def perceptual_terms(
    network: VGG19Features, image: Float[Tensor, "batch 3 size size"], target: Float[Tensor, "batch 3 size size"]
) -> PerceptualTerms:
    """Perceptual and style loss against a target that gets no gradient."""
    with torch.no_grad():
        wanted = network(target)
    perceptual = style = image.new_zeros(())
    for weight, ours, theirs in zip(TAP_WEIGHTS, network(image), wanted, strict=True):
        perceptual = perceptual + weight * (ours - theirs).abs().mean()
        style = style + weight * (gram_matrix(ours) - gram_matrix(theirs)).abs().mean()
    return PerceptualTerms(perceptual=perceptual, style=style)
