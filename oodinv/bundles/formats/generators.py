"""A generator's config from the widths of its layers, and what all published generators have in common."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from oodinv.bundles.formats.table import Shape, check_numbers, matches, weights_of
from oodinv.bundles.spec import BundleError
from oodinv.models.stylegan2 import Generator, GeneratorConfig

_LARGEST = 2048
RATE_MULTIPLIER = 0.01
"""Of the mapping layers; fixed in every published layout, which store their weights divided by it as we do."""


def shape_of(
    channels: Sequence[int], *, style_dim: int, z_dim: int, num_mapping_layers: int, what: str
) -> GeneratorConfig:
    """The config whose generator has these widths.

    Args:
        channels: At 4, 8, 16, …
        style_dim: Length of a style.
        z_dim: Length of a latent.
        num_mapping_layers: May be 0, where the mapping was left out.
        what: The file, for errors.

    Raises:
        BundleError: No config gives them.
    """
    resolutions = [4 * 2**k for k in range(len(channels))]
    if not 8 <= resolutions[-1] <= _LARGEST:
        raise BundleError(f"{what} draws {resolutions[-1]} pixels: expected 8 to {_LARGEST}")
    config = GeneratorConfig(
        resolution=resolutions[-1],
        channel_base=max(width * r for width, r in zip(channels, resolutions, strict=True)),
        channel_max=max(channels),
        style_dim=style_dim,
        z_dim=z_dim,
        num_mapping_layers=num_mapping_layers,
        mapping_rate_multiplier=RATE_MULTIPLIER,
    )
    if [config.channels(r) for r in resolutions] != list(channels):
        widths = ", ".join(f"{r}: {width}" for r, width in zip(resolutions, channels, strict=True))
        raise BundleError(
            f"{what} has {widths} channels by resolution: expected a widest layer up to some resolution and half the "
            "channels at each one above it"
        )
    return config


def generator_weights(config: GeneratorConfig) -> dict[str, Shape]:
    """Names and shapes of a generator's weights, without `latent_avg`."""
    return {name: shape for name, shape in weights_of(lambda: Generator(config)).items() if name != "latent_avg"}


def with_noise(weights: Mapping[str, Tensor], config: GeneratorConfig) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Add the noise images that a file does not bring, drawn from a fixed seed, and say so."""
    lacking = {k: s for k, s in generator_weights(config).items() if matches("convs.{}.noise", k) and k not in weights}
    rng = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(shape, generator=rng) for name, shape in lacking.items()}
    note = (f"The file holds no noise images for {len(drawn)} layers: they were drawn from a fixed seed.",)
    return dict(weights) | drawn, note if drawn else ()


def check_kernels(tensors: Mapping[str, Tensor], patterns: Sequence[str], gain: float, what: str) -> None:
    """Refuse a network that resamples otherwise than by [1, 3, 3, 1].

    Raises:
        BundleError: With the kernel that came.
    """
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    wanted = torch.outer(taps, taps) / 64 * gain
    for name, kernel in tensors.items():
        if not any(matches(pattern, name) for pattern in patterns):
            continue
        check_numbers(kernel, f"{what}: {name}")
        if kernel.shape != wanted.shape or not torch.allclose(kernel.float(), wanted, rtol=1e-3, atol=1e-6):
            found = kernel.flatten()[:8].tolist()
            raise BundleError(
                f"{what}: {name} must be the kernel [1, 3, 3, 1] along both axes with the sum {gain:g}, got shape "
                f"{tuple(kernel.shape)} beginning with {[round(number, 4) for number in found]}"
            )


def num_styles(resolution: int) -> int:
    """Rows of `w_plus` for images of a side."""
    return 2 * int(math.log2(resolution)) - 2
