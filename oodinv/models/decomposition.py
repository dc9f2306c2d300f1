"""Invertibility decomposition: spatial alignment and out-of-domain masks (arXiv 2212.09262, ICCV 2023).

At each chosen resolution the generator's feature map is compared with the encoder's. One small network predicts a
flow, which aligns the generated features to the photo, and a mask of what the generator cannot draw. The masks of
all levels are gated coarse to fine into the `ood_mask`; 1 means out of domain, kept from the photo.

`Choices` names every point where the released code and a clean version differ: `Choices.improved()` is what this
project trains.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oodinv.models.fast_convs import FastConvs
from oodinv.models.layers import InstanceNorm, add_to, instance_norm, without_autocast
from oodinv.models.refinement import refine_mask
from oodinv.models.warping import Padding, warp

Blur = Literal["centred", "shifted"]
Composition = Literal["repredict", "reuse", "minimum", "follow"]
"""Where the flows and masks of an edit come from, see `Choices.edit_composition`."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The named differences between the settings."""

    logit_norm: bool = False
    """Normalise the logits per image: their spatial mean is then a constant that no image can change."""

    conv_bias: bool = False
    """All convolutions of the aligner have a bias, as the released FeatureStyle training had; else only those that no
    norm follows."""

    align_corners: bool = True
    """Sample the corner-aligned grid corner-aligned, so that a zero flow is the identity."""

    padding: Padding = "border"

    blur: Blur = "centred"
    """`centred`: [1, 2, 1] with replicated borders; `shifted`: the even kernel [1, 3, 3, 1] with zeros outside."""

    gate_warp: bool = False
    """Warp only where the mask is high; otherwise warp everywhere."""

    see_error: bool = True
    """The detector also sees the crop and the plain reconstruction's error."""

    refine_mask: bool = False
    """The final mask is fitted to the edges of what it keeps (`refinement`); the levels' masks are not."""

    edit_composition: Composition = "reuse"
    """The default for edits. `repredict`: flows and masks predicted anew from the edited features. `reuse`: those of
    the inversion. `minimum`: the inversion's flows, and of both masks the smaller. `follow`: those of the inversion and
    what the mask keeps, moved along with the edit (`motion`)."""

    @classmethod
    def improved(cls) -> "Choices":
        """The clean versions, with masks that end where the picture does."""
        return cls(refine_mask=True)

    @classmethod
    def paper(cls) -> "Choices":
        """What the released code does; its decompositions give their own numbers only so."""
        return cls(
            logit_norm=True,
            align_corners=False,
            padding="zeros",
            blur="shifted",
            gate_warp=True,
            see_error=False,
            edit_composition="repredict",
        )


@dataclass(frozen=True, kw_only=True)
class DecompositionConfig:
    """Shape of a decomposition."""

    levels: tuple[int, ...]
    """Resolutions whose up-convolution is aligned, coarse to fine."""

    generator_channels: tuple[int, ...]
    """Channels of the generator's map at each level."""

    encoder_channels: tuple[int, ...]
    """Channels of the encoder's map at each level."""

    num_iterations: int = 2
    """Alignment rounds per level."""

    max_displacement: float = 0.08
    """Largest flow, in normalised image coordinates (2.0 = the full width)."""

    width: int | None = None
    """Channels the comparison runs on; None = the generator's own, without a projection of its map."""

    choices: Choices = field(default_factory=Choices.improved)

    calibration: tuple[float, float] = (1.0, 0.0)
    """Scale (above 0) and bias of the final mask's logit, see `calibrate_mask`."""

    def __post_init__(self):
        """Refuse shapes that cannot be compared."""
        if not (self.calibration[0] > 0 and all(map(math.isfinite, self.calibration))):
            raise ValueError(f"calibration must be a scale above 0 and a bias, got {self.calibration}")
        if not 0 < self.max_displacement <= 2:
            raise ValueError(f"max_displacement must be in (0, 2], got {self.max_displacement}")
        if not len(self.levels) == len(self.generator_channels) == len(self.encoder_channels):
            raise ValueError("levels, generator_channels and encoder_channels must have one entry per level")
        if list(self.levels) != sorted(self.levels):
            raise ValueError(f"levels must run coarse to fine, got {self.levels}")


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What one level predicts."""

    flow: Float[Tensor, "batch xy=2 height width"]
    """Backward flow, see `warp`."""

    mask: Float[Tensor, "batch 1 height width"]
    """Out-of-domain mask of this level, gated by the coarser ones. In [0, 1]."""


def gate(coarse: Float[Tensor, "..."], fine: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Refine a mask: coarse · (1 + fine - coarse), clamped to [0, 1].

    A region ruled in-domain (0) by the coarse mask stays so; where the coarse mask is 1 the fine one decides.
    """
    return (coarse * (1 + fine - coarse)).clamp(0, 1)


def compose_masks(masks: list[Float[Tensor, "batch 1 _ _"]], size: int) -> Float[Tensor, "batch 1 {size} {size}"]:
    """Gate the level masks, coarse to fine, at the image's resolution (bilinear, half-pixel centres)."""
    up = [F.interpolate(m, (size, size), mode="bilinear", align_corners=False) for m in masks]
    total = up[0]
    for fine in up[1:]:
        total = gate(total, fine)
    return total.clamp(0, 1)


def calibrate_mask(
    mask: Float[Tensor, "batch 1 size size"], calibration: tuple[float, float]
) -> Float[Tensor, "batch 1 size size"]:
    """The mask as a probability: sigmoid(scale · logit(mask) + bias), where 0 and 1 stay what they are."""
    if calibration == (1.0, 0.0):
        return mask
    scale, bias = calibration
    kept, drawn = math.exp(bias) * mask**scale, (1 - mask) ** scale
    return kept / (kept + drawn)


def blend(
    crop: Float[Tensor, "batch 3 size size"],
    generated: Float[Tensor, "batch 3 size size"],
    ood_mask: Float[Tensor, "batch 1 size size"],
) -> Float[Tensor, "batch 3 size size"]:
    """The mask's part from the crop, the rest from the generator."""
    return ood_mask * crop + (1 - ood_mask) * generated


def blur(x: Float[Tensor, "batch channel height width"], kind: Blur) -> Float[Tensor, "batch channel height width"]:
    """Smooth flow and mask, same size; `Choices.blur` says how."""
    taps = [1.0, 2.0, 1.0] if kind == "centred" else [1.0, 3.0, 3.0, 1.0]
    kernel = torch.tensor(taps, device=x.device, dtype=x.dtype)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    channels = x.shape[1]
    if kind == "centred":
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    else:
        x = F.pad(x, (2, 1, 2, 1))
    return F.conv2d(x, kernel.expand(channels, 1, -1, -1), groups=channels)


class Bottleneck(nn.Module):
    """IR bottleneck with affine instance norm: norm, 3x3, PReLU, 3x3, norm, plus a shortcut."""

    def __init__(self, num_in: int, num_out: int, *, norm_out: bool, conv_bias: bool = False):
        super().__init__()
        # Without the last norm the convolutions need their own bias to set a level.
        bias = conv_bias or not norm_out
        last: list[nn.Module] = [InstanceNorm(num_out, affine=True)] if norm_out else []
        self.body = nn.Sequential(
            InstanceNorm(num_in, affine=True),
            nn.Conv2d(num_in, num_out, 3, 1, 1, bias=conv_bias),
            nn.PReLU(num_out),
            nn.Conv2d(num_out, num_out, 3, 1, 1, bias=bias),
            *last,
        )
        self.shortcut: nn.Module = nn.Identity()
        if num_in != num_out:
            norm: list[nn.Module] = [InstanceNorm(num_out, affine=True)] if norm_out else []
            self.shortcut = nn.Sequential(nn.Conv2d(num_in, num_out, 1, bias=bias), *norm)

    def start_small(self, std: float) -> None:
        """Initialise the last convolution of both branches so that the output is near zero."""
        last_convs = [
            [m for m in branch.modules() if isinstance(m, nn.Conv2d)][-1] for branch in (self.body, self.shortcut)
        ]
        for conv in last_convs:
            nn.init.normal_(conv.weight, std=std)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch out height width"]:
        """Residual sum."""
        return self.body(x) + self.shortcut(x)


@dataclass(frozen=True, kw_only=True)
class Guide:
    """What a level knows of a photo before anything is drawn; the same for every round and every edit."""

    target: Float[Tensor, "batch channel height width"] = field(repr=False)
    """The encoder's map, projected and normalised."""

    seen: Float[Tensor, "batch seen height width"] = field(repr=False)
    """`target`, and where the detector looks the crop and the absolute error of the plain reconstruction."""

    fixed: Float[Tensor, "batch trunk height width"] = field(repr=False)
    """The part of the trunk's first convolution that `seen` gives."""


class LevelAligner(nn.Module):
    """Flow and mask of one resolution, in `num_iterations` rounds."""

    def __init__(self, config: DecompositionConfig, index: int):
        super().__init__()
        self.config = config
        channels = config.generator_channels[index]
        self.width = config.width or channels
        self.project_encoder = nn.Conv2d(config.encoder_channels[index], self.width, 1)
        self.project_generator: nn.Module = (
            nn.Identity() if config.width is None else nn.Conv2d(channels, self.width, 1)
        )
        extra = 6 if config.choices.see_error else 0
        bias = config.choices.conv_bias
        self.trunk = Bottleneck(2 * self.width + extra, 2 * self.width + extra, norm_out=True, conv_bias=bias)
        self.head = Bottleneck(2 * self.width + extra, 3, norm_out=config.choices.logit_norm, conv_bias=bias)
        if not config.choices.logit_norm:
            # Start from no displacement and a small mask, the state nearest to the plain generator.
            self.head.start_small(1e-3)
        self.convolve = FastConvs()

    def guide(
        self,
        encoded: Float[Tensor, "batch encoder_channel height width"],
        evidence: Float[Tensor, "batch 6 height width"] | None,
    ) -> Guide:
        """Everything that depends on the photo only.

        The trunk begins with a norm for each channel and a convolution, which is a sum over channels: the share of
        those channels that hold the photo is computed here, once.

        Args:
            encoded: The encoder's features at this level's resolution.
            evidence: Crop and absolute error of the plain reconstruction; None unless `see_error`.
        """
        target = instance_norm(self.project_encoder(encoded))
        seen = target if evidence is None else torch.cat([target, evidence.to(target.dtype)], dim=1)
        norm, first = self._first_of_trunk()
        known = instance_norm(seen, weight=norm.weight[self.width :], bias=norm.bias[self.width :])
        fixed = self.convolve("known", known, first.weight[:, self.width :], first.bias)
        return Guide(target=target, seen=seen, fixed=fixed)

    def forward(
        self,
        generated: Float[Tensor, "batch channel height width"],
        guide: Guide,
        coarser: Alignment | None,
    ) -> Alignment:
        """Predict the alignment of a generator map to the photo.

        Args:
            generated: The generator's features after an up-convolution.
            guide: The photo's side at the same resolution.
            coarser: The previous level's alignment, whose mask gates this one's.

        Returns:
            Flow and mask, in float32.
        """
        config, choices = self.config, self.config.choices
        flow = mask = None
        current = generated
        for _ in range(config.num_iterations):
            if flow is not None and mask is not None:
                # Every round warps the original map by the summed flow: one resampling, however many rounds.
                current = self.move(generated, Alignment(flow=flow, mask=mask))
            logits = self.head(self._compare(current, guide))
            with without_autocast(logits):  # a flow has no digit to lose
                logits = logits.float()
                maps = torch.cat([config.max_displacement * torch.tanh(logits[:, :2]), torch.sigmoid(logits[:, 2:])], 1)
                maps = blur(maps, choices.blur)
            if flow is None or mask is None:
                flow, mask = maps[:, :2], maps[:, 2:]
            else:
                flow = (flow + maps[:, :2]).clamp(-config.max_displacement, config.max_displacement)
                mask = gate(mask, maps[:, 2:])
        assert flow is not None and mask is not None
        if coarser is not None:
            up = F.interpolate(coarser.mask, mask.shape[-2:], mode="bicubic", align_corners=True)
            mask = gate(up, mask)
        return Alignment(flow=flow, mask=mask)

    def _compare(
        self, current: Float[Tensor, "batch channel height width"], guide: Guide
    ) -> Float[Tensor, "batch trunk height width"]:
        """The trunk of [difference to the photo, the photo], with the photo's share of its first sum from the guide."""
        norm, first = self._first_of_trunk()
        difference = instance_norm(self.project_generator(current)) - guide.target
        moving = instance_norm(difference, weight=norm.weight[: self.width], bias=norm.bias[: self.width])
        hidden = add_to(self.convolve("moving", moving, first.weight[:, : self.width]), guide.fixed)
        hidden = self.trunk.body[2](hidden)
        second = cast(nn.Conv2d, self.trunk.body[3])
        out = self.trunk.body[4](self.convolve("second", hidden, second.weight, second.bias))
        if torch.is_grad_enabled():
            return out + torch.cat([difference, guide.seen], dim=1)
        out[:, : self.width].add_(difference)
        out[:, self.width :].add_(guide.seen)
        return out

    def _first_of_trunk(self) -> tuple[InstanceNorm, nn.Conv2d]:
        return cast(InstanceNorm, self.trunk.body[0]), cast(nn.Conv2d, self.trunk.body[1])

    def accelerate(self) -> None:
        """See `models.accelerate`."""
        _, first = self._first_of_trunk()
        self.convolve.transform("known", first.weight[:, self.width :])
        self.convolve.transform("moving", first.weight[:, : self.width])
        self.convolve.transform("second", cast(nn.Conv2d, self.trunk.body[3]).weight)

    def move(
        self, generated: Float[Tensor, "batch channel height width"], alignment: Alignment
    ) -> Float[Tensor, "batch channel height width"]:
        """Move a generator map by an alignment."""
        choices = self.config.choices
        warped = warp(generated, alignment.flow, align_corners=choices.align_corners, padding=choices.padding)
        if not choices.gate_warp:
            return warped
        mask = alignment.mask.to(generated.dtype)
        return mask * warped + (1 - mask) * generated


class Decomposition(nn.Module):
    """One aligner per level."""

    def __init__(self, config: DecompositionConfig):
        super().__init__()
        self.config = config
        self.levels = nn.ModuleDict(
            {str(resolution): LevelAligner(config, index) for index, resolution in enumerate(config.levels)}
        )

    def use_rounds(self, num_iterations: int) -> None:
        """Align in another number of rounds than it was trained with."""
        self.config = replace(self.config, num_iterations=num_iterations)
        for resolution in self.config.levels:
            self.level(resolution).config = self.config

    def level(self, resolution: int) -> LevelAligner:
        """The aligner of one of the config's levels."""
        return cast(LevelAligner, self.levels[str(resolution)])

    def finish(
        self, mask: Float[Tensor, "batch 1 size size"], kept: Float[Tensor, "batch 3 size size"]
    ) -> Float[Tensor, "batch 1 size size"]:
        """The final mask of the levels' mask: fitted to the edges of what it keeps, if so chosen, and calibrated."""
        if self.config.choices.refine_mask:
            mask = refine_mask(mask, kept)
        return calibrate_mask(mask, self.config.calibration)

    def evidence(
        self, crop: Float[Tensor, "batch 3 size size"], plain: Float[Tensor, "batch 3 size size"] | None
    ) -> Float[Tensor, "batch 6 size size"] | None:
        """Crop and absolute error of the plain reconstruction, or None when the detector does not look."""
        if not self.config.choices.see_error:
            return None
        assert plain is not None
        return torch.cat([crop, (crop - plain).abs()], dim=1)
