"""Synthetic occlusions with known alpha: shapes and textures of many kinds pasted over a face.

A detector supervised on few accessories learns those accessories; pasted shapes with stripes, checks, noise,
gradients and pieces of other photos make it learn what "not drawn by the generator" looks like.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def paste_occlusions(
    crop: Float[Tensor, "batch 3 size size"], *, share: float, rng: torch.Generator
) -> tuple[Float[Tensor, "batch 3 size size"], Float[Tensor, "batch 1 size size"]]:
    """Cover a random share of the crops.

    Args:
        crop: Images in [-1, 1].
        share: Probability that a crop is covered; a covered crop gets one to three shapes.
        rng: Source of randomness.

    Returns:
        The covered crops and the exact alpha of what was pasted.
    """
    batch, _, size, _ = crop.shape
    covered, alpha = [], []
    for index in range(batch):
        image, total = crop[index], crop.new_zeros(1, size, size)
        if _uniform(rng) < share:
            for _ in range(1 + int(_uniform(rng) * 3)):
                shape = _shape(size, rng)
                donor = crop[(index + 1 + int(_uniform(rng) * (batch - 1))) % batch]
                image = shape * _texture(size, donor, rng) + (1 - shape) * image
                total = torch.maximum(total, shape)
        covered.append(image)
        alpha.append(total)
    stacked = torch.stack(covered).contiguous(memory_format=torch.channels_last)
    return stacked, torch.stack(alpha)


def _uniform(rng: torch.Generator, low: float | int = 0, high: float | int = 1) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def _shape(size: int, rng: torch.Generator) -> Float[Tensor, "1 size size"]:
    """Anti-aliased ellipse, box, bar, ring, blob or band, somewhere over the face."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle = _uniform(rng, 0, math.pi)
    dx, dy = x - _uniform(rng, -0.7, 0.7), y - _uniform(rng, -0.7, 0.8)
    u, v = dx * math.cos(angle) + dy * math.sin(angle), -dx * math.sin(angle) + dy * math.cos(angle)
    a, b = _uniform(rng, 0.06, 0.45), _uniform(rng, 0.06, 0.45)
    kind = int(_uniform(rng) * 6)
    if kind == 0:
        distance = ((u / a) ** 2 + (v / b) ** 2).sqrt() - 1
    elif kind == 1:
        distance = torch.maximum((u / a).abs(), (v / b).abs()) - 1
    elif kind == 2:
        distance = ((v / (0.25 * b)).abs() - 1) * 0.5 + F.relu(u.abs() - 3 * a)
    elif kind == 3:
        distance = (((u / a) ** 2 + (v / b) ** 2).sqrt() - 1).abs() - _uniform(rng, 0.08, 0.3)
    elif kind == 4:
        phi = torch.atan2(v, u)
        wobble = 1 + 0.3 * torch.sin(3 * phi + angle) + 0.2 * torch.sin(5 * phi + 7 * angle)
        distance = ((u / a) ** 2 + (v / b) ** 2).sqrt() - wobble
    else:
        # A band across the crop, as a hat's rim, a scarf or a mask has.
        edge, height = _uniform(rng, -1, 0.9), _uniform(rng, 0.08, 0.5)
        tilt = _uniform(rng, -0.2, 0.2)
        distance = ((y + tilt * x - edge).abs() - height) / height
    softness = size * min(a, b) / 2
    return torch.sigmoid(-distance * softness * 2)[None]


def _texture(size: int, donor: Tensor, rng: torch.Generator) -> Float[Tensor, "3 size size"]:
    """Plain, striped, checked, noisy or shaded colour, or a piece of another photo."""
    first, second = (torch.rand(3, 1, 1, generator=rng) * 2 - 1 for _ in range(2))
    axis = torch.arange(size) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    kind = int(_uniform(rng) * 6)
    if kind == 0:
        mix = torch.zeros(size, size)
    elif kind == 1:
        angle, frequency = _uniform(rng, 0, math.pi), _uniform(rng, 3, 20)
        mix = ((x * math.cos(angle) + y * math.sin(angle)) * frequency % 1 > 0.5).float()
    elif kind == 2:
        frequency = _uniform(rng, 2, 12)
        mix = (((x * frequency).floor() + (y * frequency).floor()) % 2).float()
    elif kind == 3:
        cells = int(_uniform(rng, 3, size // 4))
        noise = torch.rand(1, 1, cells, cells, generator=rng)
        mix = F.interpolate(noise, (size, size), mode="bilinear", align_corners=False)[0, 0]
    elif kind == 4:
        mix = x * _uniform(rng) + y * _uniform(rng)
    else:
        shift = (int(_uniform(rng) * size), int(_uniform(rng) * size))
        return torch.roll(donor, shift, dims=(1, 2)) * _uniform(rng, 0.6, 1.0)
    shade = 1 - _uniform(rng, 0, 0.5) * (y - 0.5).abs()
    return ((first + (second - first) * mix) * shade).clamp(-1, 1)
