"""What an inverter is trained on in one step: crops, covered or not, and what is known of every pixel."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from oodinv.training.data import Dataset
from oodinv.training.occlusions import paste_occlusions

_FACE_CENTRE, _FACE_HALF_AXES = (0.0, 0.15), (0.42, 0.55)
"""The ellipse from brows to chin of an aligned crop, in [-1, 1], x then y."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Crops and the truth about them. Masks are in [0, 1]."""

    clean: Float[Tensor, "batch 3 size size"] = field(repr=False)
    """As they are in the dataset, maybe mirrored."""
    crop: Float[Tensor, "batch 3 size size"] = field(repr=False)
    """With occlusions pasted: what the networks see."""
    cover: Float[Tensor, "batch 1 size size"] = field(repr=False)
    """What lies over the person, rendered or pasted. On photos only what was pasted is known."""
    inside: Float[Tensor, "batch 1 size size"] = field(repr=False)
    """The person. On photos, whose silhouette is not known, the ellipse where an aligned face is, and what was pasted:
    whoever holds a hand before their face is taught wrongly there."""
    outside: Float[Tensor, "batch 1 size size"] = field(repr=False)
    """The background; 0 everywhere on photos, where neither is claimed of most pixels."""
    rendered: Float[Tensor, "batch 1 size size"] = field(repr=False)
    """The part of `cover` that was not pasted: what is behind it is known to nobody."""
    mirrored: Bool[Tensor, " batch"] = field(repr=False)
    """Which crops are mirrored: their portraits' parameters are not theirs."""

    @property
    def truth(self) -> Float[Tensor, "batch 1 size size"]:
        """Out of domain: covered or background. Meant where `inside` or `outside` claim something."""
        return torch.maximum(self.cover, self.outside)

    @property
    def face(self) -> Float[Tensor, "batch 1 size size"]:
        """The person where it is seen."""
        return self.inside * (1 - self.cover)


def draw_examples(
    data: Dataset,
    index: np.ndarray,
    size: int,
    *,
    occluded_share: float,
    mirrored_share: float,
    rng: torch.Generator,
    device: torch.device,
    photographs: Num[Tensor, "photographs 3 {size} {size}"] | None = None,
) -> Examples:
    """Read crops, mirror some of them, cover some of them.

    Args:
        data: With masks or without.
        index: Which samples.
        size: Side in pixels.
        occluded_share: Part of the crops that something is pasted over.
        mirrored_share: Part of the crops that are mirrored, with their masks: what goes in and what is wanted alike.
        rng: Source of randomness, of the processor.
        device: Where the examples are wanted.
        photographs: See `paste_occlusions`.
    """
    mirrored = (torch.rand(len(index), generator=rng) < mirrored_share).to(device)
    clean = mirror(data.crops(index, size).to(device), mirrored)
    crop, pasted = paste_occlusions(clean, share=occluded_share, rng=rng, photographs=photographs)
    if data.has_masks:
        person = mirror(data.silhouette(index, size).to(device), mirrored)
        rendered = mirror(data.accessory(index, size).to(device), mirrored)
        outside = 1 - person
    else:
        person = torch.maximum(face_ellipse(size).to(device), pasted)
        rendered = torch.zeros_like(pasted)
        outside = torch.zeros_like(pasted)
    return Examples(
        clean=clean,
        crop=crop,
        cover=torch.maximum(rendered, pasted),
        inside=person,
        outside=outside,
        rendered=rendered,
        mirrored=mirrored,
    )


def mirror(
    x: Float[Tensor, "batch channel height width"], which: Tensor
) -> Float[Tensor, "batch channel height width"]:
    """Left and right exchanged in the images that are marked."""
    return torch.where(which.view(-1, 1, 1, 1), x.flip(3), x)


def face_ellipse(size: int) -> Float[Tensor, "1 1 {size} {size}"]:
    """1 where an aligned crop shows a face and hardly ever anything else, with a border of a pixel."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    u, v = (x - _FACE_CENTRE[0]) / _FACE_HALF_AXES[0], (y - _FACE_CENTRE[1]) / _FACE_HALF_AXES[1]
    radius = (u.square() + v.square()).sqrt()
    return (0.5 - (radius - 1) * min(_FACE_HALF_AXES) * size / 2).clamp(0, 1)[None, None]
