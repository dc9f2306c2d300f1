"""StyleGAN2 generator, config F with skip RGB (Karras et al. 2020, arXiv 1912.04958).

Layer `i` of `w_plus` drives: 0 the convolution at 4x4; 2k-1 the up-convolution and 2k the second convolution at
resolution 4·2^k; the RGB layer of a resolution shares its code with the next resolution's up-convolution (the last
has its own).
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.fast_convs import SMALLEST, FastConvs
from oodinv.models.layers import EqualLinear, bias_act, fir_upsample, modulated_conv2d

NoiseMode = Literal["fixed", "none", "random"]
UpHook = Callable[[int, Tensor], Tensor]
"""Called with (resolution, feature map) right after an up-convolution, before noise, bias and activation.

In evaluation the map given and the one returned are overwritten afterwards: clone what you keep.
"""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Shape of a generator."""

    resolution: int
    """Side of the image in pixels, a power of two from 8."""

    channel_base: int = 32768
    """Channels at resolution r are min(channel_max, channel_base / r). 32768 is config F at 1024."""

    channel_max: int = 512

    style_dim: int = 512

    z_dim: int = 512

    num_mapping_layers: int = 8

    mapping_rate_multiplier: float = 0.01

    normalise_z: bool = True
    """Scale z to unit mean square before the mapping, as StyleGAN2 does."""

    def __post_init__(self):
        """Refuse a resolution the architecture cannot have."""
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two from 8, got {self.resolution}")

    @property
    def resolutions(self) -> list[int]:
        """4, 8, … up to the image's."""
        return [2**k for k in range(2, int(math.log2(self.resolution)) + 1)]

    @property
    def num_layers(self) -> int:
        """Rows of `w_plus`."""
        return 2 * len(self.resolutions)

    def channels(self, resolution: int) -> int:
        """Width of the feature maps at a resolution."""
        return min(self.channel_max, self.channel_base // resolution)


class Mapping(nn.Module):
    """z to w: equalised layers with a slowed learning rate."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        widths = [config.z_dim] + [config.style_dim] * config.num_mapping_layers
        self.normalise = config.normalise_z
        self.layers = nn.ModuleList(
            EqualLinear(a, b, rate_multiplier=config.mapping_rate_multiplier, activate=True)
            for a, b in pairwise(widths)
        )

    def forward(self, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch style_dim"]:
        """Map latents to styles."""
        if self.normalise:
            z = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            z = layer(z)
        return z


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    noise: Tensor

    def __init__(self, num_in: int, num_out: int, style_dim: int, resolution: int, *, upsample: bool):
        super().__init__()
        self.upsample = upsample
        self.weight = nn.Parameter(torch.randn(num_out, num_in, 3, 3))
        self.weight_scale = 1 / math.sqrt(num_in * 9)
        self.affine = EqualLinear(style_dim, num_in, bias_init=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(num_out))
        self.register_buffer("noise", torch.randn(1, 1, resolution, resolution))
        self.convolve = FastConvs()

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        w: Float[Tensor, "batch style_dim"],
        *,
        noise: NoiseMode,
        rng: torch.Generator | None,
        hook: Callable[[Tensor], Tensor] | None = None,
        style_offset: Float[Tensor, "#batch channel"] | float = 0.0,
    ) -> Float[Tensor, "batch out height2 width2"]:
        """Apply the layer.

        `hook` replaces the feature map between the convolution and the noise; `style_offset` is added to the style.
        """
        style = self.affine(w) + style_offset
        weight = self.weight * self.weight_scale
        convolve = None
        if self.convolve.ready("weight", x):
            convolve = partial(self.convolve, "weight", weight=weight)
        x = modulated_conv2d(x, weight, style, upsample=self.upsample, convolve=convolve)
        if hook is not None:
            x = hook(x)
        if noise == "none":
            return bias_act(x, self.bias, None)
        image = self.noise
        if noise == "random":
            image = torch.randn(x.shape[0], 1, *x.shape[2:], generator=rng, device=x.device)
        return bias_act(x, self.bias, self.noise_strength * image)

    def accelerate(self) -> None:
        """See `models.accelerate`."""
        if not self.upsample and self.noise.shape[-1] ** 2 >= SMALLEST:
            self.convolve.transform("weight", self.weight * self.weight_scale)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation."""

    def __init__(self, num_in: int, style_dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, num_in, 1, 1))
        self.weight_scale = 1 / math.sqrt(num_in)
        self.affine = EqualLinear(style_dim, num_in, bias_init=1.0)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        w: Float[Tensor, "batch style_dim"],
        *,
        style_offset: Float[Tensor, "#batch channel"] | float = 0.0,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Project features to colours; `style_offset` is added to the style."""
        rgb = modulated_conv2d(x, self.weight * self.weight_scale, self.affine(w) + style_offset, demodulate=False)
        return rgb.float() + self.bias[:, None, None]


class Generator(nn.Module):
    """Mapping and synthesis, with the mean style `latent_avg` [1, style_dim] as a buffer."""

    latent_avg: Tensor

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.constant = nn.Parameter(torch.randn(1, config.channels(4), 4, 4))
        self.register_buffer("latent_avg", torch.zeros(1, config.style_dim))
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        num_in = config.channels(4)
        for resolution in config.resolutions:
            num_out = config.channels(resolution)
            if resolution > 4:
                self.convs.append(StyledConv(num_in, num_out, config.style_dim, resolution, upsample=True))
            self.convs.append(StyledConv(num_out, num_out, config.style_dim, resolution, upsample=False))
            self.to_rgbs.append(ToRGB(num_out, config.style_dim))
            num_in = num_out

    def map(self, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch layers style_dim"]:
        """Latents to `w_plus`, one style repeated over all layers."""
        return self.mapping(z)[:, None].repeat(1, self.config.num_layers, 1)

    def style_slices(self) -> list[slice]:
        """Where each layer's styles lie in a flat StyleSpace vector (Wu et al. 2021, arXiv 2011.12799).

        Layers come in the order they draw: the convolution and RGB layer of 4x4, then of every resolution the
        up-convolution, the second convolution and the RGB layer.
        """
        widths = [layer.affine.weight.shape[0] for layer in self._in_order()]
        ends = list(accumulate(widths))
        return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]

    @property
    def num_style_channels(self) -> int:
        """Length of a flat StyleSpace vector; 9088 for config F at 1024."""
        return self.style_slices()[-1].stop

    def styles(self, w_plus: Float[Tensor, "batch layers style_dim"]) -> Float[Tensor, "batch style_channels"]:
        """The flat StyleSpace vector of codes; see `style_slices`."""
        rows = [0, 1] + [2 * k + j for k in range(1, len(self.to_rgbs)) for j in (-1, 0, 1)]
        layers = zip(self._in_order(), rows, strict=True)
        return torch.cat([layer.affine(w_plus[:, row]) for layer, row in layers], dim=1)

    def _in_order(self) -> list["StyledConv | ToRGB"]:
        layers = [self.convs[0], self.to_rgbs[0]]
        for k in range(1, len(self.to_rgbs)):
            layers += [self.convs[2 * k - 1], self.convs[2 * k], self.to_rgbs[k]]
        return cast("list[StyledConv | ToRGB]", layers)

    def synthesise(
        self,
        w_plus: Float[Tensor, "batch layers style_dim"],
        *,
        noise: NoiseMode = "fixed",
        rng: torch.Generator | None = None,
        on_up: UpHook | None = None,
        content: dict[int, Tensor] | None = None,
        style_offset: Float[Tensor, "#batch style_channels"] | None = None,
    ) -> Float[Tensor, "batch 3 size size"]:
        """Draw images from styles.

        Args:
            w_plus: One style per layer (module docstring says which layer drives what).
            noise: `fixed` uses the stored noise images, `none` adds nothing, `random` draws from `rng`.
            rng: Source of random noise; None = the device's default generator.
            on_up: Replaces the feature map of every up-convolution; None = plain generator.
            content: By resolution, a feature map that takes the place of the generator's own after the RGB layer of
                that resolution, as input of the next.
            style_offset: Added to the styles, see `style_slices`; None = nothing.

        Returns:
            Images, nominally in [-1, 1], not clamped.
        """
        drawn = self._drawn(w_plus, noise, rng, on_up, content, style_offset)
        return deque(map(itemgetter(2), drawn), maxlen=1).pop()

    def feature_maps(
        self,
        w_plus: Float[Tensor, "batch layers style_dim"],
        resolutions: Collection[int],
        *,
        noise: NoiseMode = "fixed",
        rng: torch.Generator | None = None,
        content: dict[int, Tensor] | None = None,
        style_offset: Float[Tensor, "#batch style_channels"] | None = None,
    ) -> dict[int, Tensor]:
        """The activations after the second convolution of some resolutions, of the plain generator.

        Nothing finer than the largest of `resolutions` is computed.

        Args:
            w_plus: See `synthesise`, as the others.
            resolutions: Among the config's.
            noise: See `synthesise`.
            rng: See `synthesise`.
            content: See `synthesise`.
            style_offset: See `synthesise`.

        Returns:
            Maps [batch, channel, resolution, resolution] by resolution.

        Raises:
            ValueError: The generator has no such resolution, or none is asked for.
        """
        missing = sorted(set(resolutions) - set(self.config.resolutions))
        if missing or not resolutions:
            raise ValueError(f"expected resolutions among {self.config.resolutions}, got {missing or 'none'}")
        maps = {}
        for resolution, x, _ in self._drawn(w_plus, noise, rng, None, content, style_offset):
            if resolution in resolutions:
                maps[resolution] = x
            if resolution == max(resolutions):
                break
        return maps

    def _drawn(
        self,
        w_plus: Tensor,
        noise: NoiseMode,
        rng: torch.Generator | None,
        on_up: UpHook | None,
        content: dict[int, Tensor] | None,
        style_offset: Tensor | None,
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Resolution, feature map and picture so far, coarse to fine; what is not asked for is not computed."""
        if w_plus.shape[1] != self.config.num_layers:
            raise ValueError(f"w_plus must have {self.config.num_layers} layers, got {w_plus.shape[1]}")
        offsets: list[Tensor | float] = [0.0] * (3 * len(self.to_rgbs) - 1)
        if style_offset is not None:
            offsets = [style_offset[:, part] for part in self.style_slices()]
        content = content or {}
        options = {"noise": noise, "rng": rng}
        x = self.constant.expand(w_plus.shape[0], -1, -1, -1)
        x = self.convs[0](x, w_plus[:, 0], style_offset=offsets[0], **options)
        rgb = self.to_rgbs[0](x, w_plus[:, 1], style_offset=offsets[1])
        yield 4, x, rgb
        x = content.get(4, x)
        for k, resolution in enumerate(self.config.resolutions[1:], start=1):
            up, second = self.convs[2 * k - 1], self.convs[2 * k]
            hook = None if on_up is None else _at(on_up, resolution)
            x = up(x, w_plus[:, 2 * k - 1], hook=hook, style_offset=offsets[3 * k - 1], **options)
            x = second(x, w_plus[:, 2 * k], style_offset=offsets[3 * k], **options)
            # The sum over resolutions stays float32: three channels cost little.
            rgb = fir_upsample(rgb) + self.to_rgbs[k](x, w_plus[:, 2 * k + 1], style_offset=offsets[3 * k + 1])
            yield resolution, x, rgb
            x = content.get(resolution, x)


def _at(on_up: UpHook, resolution: int) -> Callable[[Tensor], Tensor]:
    """Bind the resolution of a hook (a lambda in the loop would see only the last one)."""
    return lambda feature_map: on_up(resolution, feature_map)
