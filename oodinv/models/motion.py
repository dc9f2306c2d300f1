"""How the picture moves between two codes, read from the generator's own feature maps; nothing is learned.

The maps of the unedited and of the edited codes show the same face in the same language, so a feature can be looked up
again a little aside of where it was. The idea of WarpRes (IJCV 2024): what an inversion adds is moved along a flow
between unedited and edited features.

Coarse to fine, at each resolution: the earlier map is warped by the flow so far; the distance of features is taken for
every displacement within a small window and averaged over a neighbourhood; the softmin's mean displacement is added to
the flow; the flow is smoothed, weighted by how sharp the softmin was. In the end it is kept only where it explains a
difference between the maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oodinv.models.warping import warp


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How a motion is looked for. The defaults were chosen on rendered portraits, see decision 014."""

    resolutions: tuple[int, ...] = (8, 16, 32, 64)
    """Maps that are compared, coarse to fine; those a generator does not have are left out."""

    radius: tuple[int, ...] = (2, 2, 1, 1)
    """Largest displacement looked for at each resolution, in its pixels."""

    max_displacement: float = 0.4
    """Longest motion, in normalised image coordinates (2.0 = the full width)."""

    temperature: float = 0.3
    """Of the softmin. Distances are mean squares over channels of unit variance: unrelated features are 2 apart."""

    neighbourhood: float = 1.0
    """Standard deviation of the Gaussian over which distances are averaged, in pixels of the resolution."""

    prior: float = 0.02
    """Weight of the coarser resolution's flow beside matches, whose weight is between 0 (any) and 1 (one only)."""

    evident: float = 0.05
    """A flow that brings features nearer by this much is half believed; in the units of `temperature`."""

    still: float = 1 / 128
    """Motion this short or shorter is none at all, in normalised image coordinates: half a pixel at 128, 4 at 1024.
    From twice this on it counts in full."""

    def __post_init__(self):
        if len(self.resolutions) != len(self.radius) or list(self.resolutions) != sorted(set(self.resolutions)):
            raise ValueError(f"expected rising resolutions with a radius each, got {self.resolutions}, {self.radius}")
        if not 0 < self.still < self.max_displacement <= 2:
            raise ValueError(
                f"expected 0 < still < max_displacement <= 2, got {self.still} and {self.max_displacement}"
            )


def estimate_motion(
    before: Mapping[int, Float[Tensor, "batch _ _ _"]],
    after: Mapping[int, Float[Tensor, "batch _ _ _"]],
    config: MotionConfig | None = None,
) -> Float[Tensor, "batch xy=2 size size"]:
    """The flow that takes the earlier maps to the later ones.

    Convention:
        As `warp`: backward, normalised (full width 2.0), (x, y), from corner to corner: before(p + flow(p)) resembles
        after(p). Exactly zero where it is short (`MotionConfig.still`) and everywhere for equal maps; nowhere longer
        than `max_displacement`. Each sample stands alone. Where nothing can be recognised, as in a flat background, it
        falls to zero with the distance from what can.

    Args:
        before: Feature maps by resolution, of the same layer and the same noise as `after`.
        after: Feature maps of the other codes.
        config: None = the defaults.

    Returns:
        The flow at the finest resolution that the maps and the config share, in float32.

    Raises:
        ValueError: They share no resolution.
    """
    config = config or MotionConfig()
    shared = [
        (resolution, radius)
        for resolution, radius in zip(config.resolutions, config.radius, strict=True)
        if resolution in before and resolution in after
    ]
    if not shared:
        raise ValueError(f"no maps to compare at {config.resolutions}: got {sorted(before)} and {sorted(after)}")
    device = next(iter(after.values())).device
    # Half precision cannot tell near distances apart.
    with torch.autocast(device.type, enabled=False):
        flow: Tensor | None = None
        explained: list[Tensor] = []
        for resolution, radius in shared:
            earlier, later = _alike(before[resolution].float(), after[resolution].float())
            if flow is None:
                flow = later.new_zeros(later.shape[0], 2, resolution, resolution)
            flow = _refined(earlier, later, resize_flow(flow, resolution), radius, config)
            flow = _no_longer_than(flow, config.max_displacement)
            explained.append(_explained(earlier, later, flow, config))
        assert flow is not None
        return _without_small(_only_where_it_explains(flow, explained, config), config.still)


def resize_flow(flow: Float[Tensor, "batch xy=2 _ _"], size: int) -> Float[Tensor, "batch xy=2 {size} {size}"]:
    """Another resolution of a flow between maps of one image.

    Pixels of maps cover the image as StyleGAN's do, side by side from edge to edge; so the displacement in parts of the
    image stays, and the normalised one changes a little because `warp` counts from corner to corner. Up bilinear, down
    by averaging. What is exactly zero together with its neighbours stays so.
    """
    old = flow.shape[-1]
    if old == size:
        return flow
    resized = F.interpolate(flow, (size, size), mode="bilinear", align_corners=False, antialias=size < old)
    # In pixels of a map a displacement is half its width less one, normalised; and pixels come in ratio size / old.
    return resized * ((old - 1) / old * size / (size - 1))


def follow(
    x: Float[Tensor, "batch channel size size"], motion: Float[Tensor, "batch xy=2 size size"]
) -> Float[Tensor, "batch channel size size"]:
    """Move a picture or map: result(p) = x(p + motion(p)), borders replicated; x bit for bit where motion is 0."""
    moves = (motion != 0).any(dim=1, keepdim=True)
    return torch.where(moves, warp(x, motion), x)


def one_after_the_other(
    first: Float[Tensor, "batch xy=2 size size"] | None, second: Float[Tensor, "batch xy=2 size size"]
) -> Float[Tensor, "batch xy=2 size size"]:
    """The motion that moves at once what `first` and then `second` move; None is no motion."""
    return second if first is None else second + follow(first, second)


def _alike(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps with the channels' common mean and variance taken out, per sample."""
    mean = (before.mean(dim=(2, 3), keepdim=True) + after.mean(dim=(2, 3), keepdim=True)) / 2
    before, after = before - mean, after - mean
    variance = (before.square().mean(dim=(2, 3), keepdim=True) + after.square().mean(dim=(2, 3), keepdim=True)) / 2
    scale = torch.rsqrt(variance + 1e-12)
    return before * scale, after * scale


def _refined(before: Tensor, after: Tensor, flow: Tensor, radius: int, config: MotionConfig) -> Tensor:
    size = after.shape[-1]
    # A map looked up in itself should stay put, but an uneven neighbourhood pulls: that pull is taken off.
    pull, _ = _lookup(after, after, radius, config)
    step, sureness = _lookup(warp(before, flow), after, radius, config)
    proposed = flow + (step - pull) * (2 / (size - 1))
    width = size**0.5 / 4
    weighted = _gaussian(torch.cat([proposed * sureness, sureness, flow], dim=1), width)
    return (weighted[:, :2] + config.prior * weighted[:, 3:]) / (weighted[:, 2:3] + config.prior)


def _explained(before: Tensor, after: Tensor, flow: Tensor, config: MotionConfig) -> Tensor:
    """By how much the flow brings the maps nearer to each other, [batch, 1, size, size]."""
    unmoved = (before - after).square().mean(dim=1, keepdim=True)
    moved = (warp(before, flow) - after).square().mean(dim=1, keepdim=True)
    return _gaussian(unmoved - moved, config.neighbourhood).clamp_min(0)


def _only_where_it_explains(flow: Tensor, explained: list[Tensor], config: MotionConfig) -> Tensor:
    """Let the flow fall to zero where the maps fit as well without, as in a flat background."""
    size = flow.shape[-1]
    finest = [F.interpolate(x, (size, size), mode="bilinear", align_corners=False) for x in explained[-2:]]
    mean = torch.stack(finest).mean(dim=0)
    share = _gaussian(mean / (mean + config.evident), size / 40)
    return flow * _smooth_step((share - 0.1) / 0.4)


def _lookup(warped: Tensor, after: Tensor, radius: int, config: MotionConfig) -> tuple[Tensor, Tensor]:
    """Mean displacement [batch, xy, size, size] in pixels, and how sure it is, in [0, 1] [batch, 1, size, size]."""
    size = after.shape[-1]
    padded = F.pad(warped, (radius,) * 4, mode="replicate")
    steps = [(x, y) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    distances = [
        (padded[:, :, radius + y : radius + y + size, radius + x : radius + x + size] - after).square().mean(dim=1)
        for x, y in steps
    ]
    distance = _gaussian(torch.stack(distances, dim=1), config.neighbourhood)
    weights = torch.softmax(-distance / config.temperature, dim=1)
    step = torch.tensor(steps, device=after.device, dtype=after.dtype)  # [steps, xy]
    mean = torch.einsum("bshw,sc->bchw", weights, step)
    square = step.square().sum(dim=1)  # [steps]
    variance = torch.einsum("bshw,s->bhw", weights, square) - mean.square().sum(dim=1)
    return mean, (1 - variance / square.mean()).clamp(0, 1).square()[:, None]


def _gaussian(x: Tensor, sigma: float) -> Tensor:
    """Blur every channel, with replicated borders."""
    reach, channels = max(1, round(3 * sigma)), x.shape[1]
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-offsets.square() / (2 * sigma * sigma))
    taps = (taps / taps.sum()).expand(channels, 1, 1, -1)
    x = F.pad(x, (reach,) * 4, mode="replicate")
    x = F.conv2d(x, taps, groups=channels)
    return F.conv2d(x, taps.transpose(2, 3), groups=channels)


def _no_longer_than(flow: Tensor, longest: float) -> Tensor:
    length = flow.norm(dim=1, keepdim=True)
    return flow * (longest / length.clamp_min(longest))


def _without_small(flow: Tensor, still: float) -> Tensor:
    length = flow.norm(dim=1, keepdim=True)
    return flow * _smooth_step(length / still - 1)


def _smooth_step(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, a cubic between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
