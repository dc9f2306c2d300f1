"""The model: encoder, generator and decomposition assembled (arXiv 2212.09262, figure 2 and section 3)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator as Rng
from torch import Tensor, nn

from oodinv.models.decomposition import Alignment, Composition, Decomposition, Guide, LevelAligner, blend, compose_masks
from oodinv.models.encoding import CropEncoder, Encoding, check_fit
from oodinv.models.motion import MotionConfig, estimate_motion, follow, one_after_the_other, resize_flow
from oodinv.models.stylegan2 import Generator, NoiseMode


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """A crop, inverted or edited. All images are RGB in [-1, 1] nominally, not clamped."""

    crop: Float[Tensor, "batch 3 size size"]

    w_plus: Float[Tensor, "batch layers style_dim"]

    feature_maps: dict[int, Tensor] = field(repr=False)
    """The encoder's activations by resolution."""

    content: dict[int, Tensor] = field(repr=False)
    """The encoder's feature maps that stand in for the generator's own, by resolution; empty for most encoders."""

    guides: dict[int, Guide] = field(repr=False)
    """What each level of the decomposition knows of the photo, by far the largest part (0.2 GB for a face at 1024
    pixels). May be left out (`{}`): an edit that predicts anew then makes them again."""

    plain: Float[Tensor, "batch 3 size size"] | None
    """The generator alone for the inversion's `w_plus` (of the unedited code, also after an edit); None where nothing
    asked for it."""

    levels: dict[int, Alignment] = field(repr=False)
    """Flow and mask by resolution."""

    ood_mask: Float[Tensor, "batch 1 size size"]
    """1 = out of domain = kept from the crop."""

    generated: Float[Tensor, "batch 3 size size"]
    """The aligned generator image, before blending."""

    kept: Float[Tensor, "batch 3 size size"]
    """What the mask keeps: the crop, moved by `motion` where there is one."""

    style_offset: Float[Tensor, "#batch style_channels"] | None = field(repr=False, default=None)
    """What edits in StyleSpace have added to the styles; None = nothing."""

    motion: Float[Tensor, "batch xy=2 size size"] | None = field(repr=False, default=None)
    """How far an edit has moved what is kept, from the inversion on: a backward flow as `warp` reads it, exactly zero
    where nothing moves. None unless the edit's composition was `follow`."""

    plain_maps: dict[int, Tensor] = field(repr=False, default_factory=dict)
    """The plain generator's feature maps by resolution, where the motion of the next edit starts; empty unless edits
    follow by default or the last one did."""

    @property
    def reconstruction(self) -> Float[Tensor, "batch 3 size size"]:
        """`generated` blended with `kept` by `ood_mask`; for an edit, the edited crop."""
        return blend(self.kept, self.generated, self.ood_mask)


class InversionModel(nn.Module):
    """Encoder, generator and decomposition. Calls are pure: nothing is remembered between them."""

    def __init__(self, encoder: CropEncoder, generator: Generator, decomposition: Decomposition | None):
        super().__init__()
        check_fit(encoder.config, generator.config)
        self.encoder = encoder
        self.generator = generator
        self.decomposition = decomposition
        """None: nothing is aligned and nothing kept, every mask is 0."""

    def invert(
        self,
        crop: Float[Tensor, "batch 3 size size"],
        *,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
        plain: bool = False,
    ) -> Inversion:
        """Encode a crop, draw it, align what was drawn and find what could not be drawn.

        Args:
            crop: FFHQ-aligned faces at the generator's resolution.
            noise: See `Generator.synthesise`.
            rng: Source of random noise.
            plain: Also draw the generator alone. Where the decomposition looks at it, it is drawn anyway.

        Returns:
            The inversion.

        Raises:
            ValueError: The crop has another size than the generator's images.
        """
        size = self.generator.config.resolution
        if crop.shape[-2:] != (size, size):
            raise ValueError(
                f"crops must be {size} pixels wide and high, the generator's resolution; got {tuple(crop.shape[-2:])}: "
                "cut them with faces.extract_crop"
            )

        encoding = self.encode(crop, noise=noise, rng=rng)
        w_plus = self.generator.latent_avg + encoding.delta_w
        drawn = None
        if plain or (self.decomposition is not None and self.decomposition.config.choices.see_error):
            drawn = self.generator.synthesise(w_plus, noise=noise, rng=rng, content=encoding.content)
        aligned = self.align(crop, w_plus, encoding.feature_maps, drawn, content=encoding.content, noise=noise, rng=rng)
        if self._composition(None) != "follow":
            return aligned
        return replace(aligned, plain_maps=self._plain_maps(w_plus, encoding.content, None))

    def encode(
        self, crop: Float[Tensor, "batch 3 size size"], *, noise: NoiseMode = "fixed", rng: Rng | None = None
    ) -> Encoding:
        """The encoder alone; one that corrects its styles sees them drawn plainly, without alignment or content."""

        def draw(delta_w: Tensor) -> Tensor:
            return self.generator.synthesise(self.generator.latent_avg + delta_w, noise=noise, rng=rng)

        return self.encoder(crop, draw)

    def align(
        self,
        crop: Float[Tensor, "batch 3 size size"],
        w_plus: Float[Tensor, "batch layers style_dim"],
        feature_maps: dict[int, Tensor],
        plain: Float[Tensor, "batch 3 size size"] | None,
        *,
        content: dict[int, Tensor] | None = None,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
        active_levels: Collection[int] | None = None,
    ) -> Inversion:
        """Draw styles with alignment to a crop's features, predicting flows and masks.

        Args:
            crop: See `invert`.
            w_plus: What to draw.
            feature_maps: The encoder's, by resolution.
            plain: The generator alone for `w_plus`; None unless the decomposition looks at it.
            content: See `Inversion.content`.
            noise: See `Generator.synthesise`.
            rng: Source of random noise.
            active_levels: Levels of the decomposition to align at, for its training; the generator's maps stay as they
                are at the others, also when this inversion is edited. None = all.

        Raises:
            ValueError: The decomposition has no such level.
        """
        content, guides = content or {}, self._guides(crop, feature_maps, plain, active_levels)

        def predict(resolution: int, feature_map: Tensor, coarser: Alignment | None) -> Alignment:
            return self._aligner(resolution)(feature_map, guides[resolution], coarser)

        drawn = self._draw(w_plus, predict, guides, kept=crop, noise=noise, rng=rng, content=content)
        return Inversion(
            crop=crop,
            w_plus=w_plus,
            feature_maps=feature_maps,
            content=content,
            guides=guides,
            plain=plain,
            levels=drawn.levels,
            ood_mask=drawn.ood_mask,
            generated=drawn.generated,
            kept=crop,
        )

    def edit(
        self,
        inversion: Inversion,
        offset: Float[Tensor, "#batch layers style_dim"],
        *,
        style_offset: Float[Tensor, "#batch style_channels"] | None = None,
        composition: Composition | None = None,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
    ) -> Inversion:
        """Move an inversion's styles and draw again; the encoder is not run.

        Args:
            inversion: What `invert` returned.
            offset: Added to `w_plus`.
            style_offset: Added to the styles, see `Generator.style_slices`.
            composition: See `Choices.edit_composition`, the default.
            noise: See `Generator.synthesise`.
            rng: Source of random noise.

        Returns:
            The edited face.
        """
        w_plus, composition = inversion.w_plus + offset, self._composition(composition)
        style_offset = _sum(inversion.style_offset, style_offset)
        follows = composition == "follow"
        start = self._followed(inversion, w_plus, style_offset) if follows else inversion
        if composition in ("repredict", "minimum") and not start.guides:
            start = replace(start, guides=self._guides(start.crop, start.feature_maps, start.plain, start.levels))
        drawn = self._draw(
            w_plus,
            self._levels_of_edit(start, composition),
            inversion.levels,
            kept=start.kept,
            noise=noise,
            rng=rng,
            content=inversion.content,
            style_offset=style_offset,
        )
        return replace(
            start,
            w_plus=w_plus,
            style_offset=style_offset,
            levels=drawn.levels,
            ood_mask=drawn.ood_mask,
            generated=drawn.generated,
            plain_maps=start.plain_maps if follows else {},
        )

    def _levels_of_edit(self, inversion: Inversion, composition: Composition) -> "LevelAt":
        def reuse(resolution: int, feature_map: Tensor, coarser: Alignment | None) -> Alignment:
            return inversion.levels[resolution]

        def repredict(resolution: int, feature_map: Tensor, coarser: Alignment | None) -> Alignment:
            return self._aligner(resolution)(feature_map, inversion.guides[resolution], coarser)

        def minimum(resolution: int, feature_map: Tensor, coarser: Alignment | None) -> Alignment:
            ours, edits = inversion.levels[resolution], repredict(resolution, feature_map, coarser)
            return Alignment(flow=ours.flow, mask=torch.minimum(ours.mask, edits.mask))

        by_name: dict[Composition, LevelAt] = {
            "reuse": reuse,
            "repredict": repredict,
            "minimum": minimum,
            "follow": reuse,
        }
        return by_name[composition]

    def _followed(self, inversion: Inversion, w_plus: Tensor, style_offset: Tensor | None) -> Inversion:
        """The inversion with what is kept, and where, moved along with an edit."""
        before = inversion.plain_maps or self._plain_maps(inversion.w_plus, inversion.content, inversion.style_offset)
        after = self._plain_maps(w_plus, inversion.content, style_offset)
        step = resize_flow(estimate_motion(before, after), inversion.crop.shape[-1])
        motion = one_after_the_other(inversion.motion, step)
        return replace(
            inversion,
            levels={
                resolution: _moved(level, resize_flow(step, resolution))
                for resolution, level in inversion.levels.items()
            },
            kept=follow(inversion.crop, motion),
            motion=motion,
            plain_maps=after,
        )

    def _plain_maps(self, w_plus: Tensor, content: dict[int, Tensor], style_offset: Tensor | None) -> dict[int, Tensor]:
        # Without noise: it stays where it is when the face moves.
        resolutions = set(MotionConfig().resolutions) & set(self.generator.config.resolutions)
        return self.generator.feature_maps(
            w_plus, resolutions, noise="none", content=content, style_offset=style_offset
        )

    def _composition(self, asked: Composition | None) -> Composition:
        if asked is not None:
            return asked
        return "reuse" if self.decomposition is None else self.decomposition.config.choices.edit_composition

    def _draw(
        self,
        w_plus: Tensor,
        level_at: "LevelAt",
        aligned: Collection[int],
        *,
        kept: Tensor,
        noise: NoiseMode,
        rng: Rng | None,
        content: dict[int, Tensor],
        style_offset: Tensor | None = None,
    ) -> "_Drawn":
        """The generator with the feature maps of the `aligned` resolutions moved as `level_at` says.

        The mask is that of the levels, finished for what it keeps.
        """
        levels: dict[int, Alignment] = {}

        def on_up(resolution: int, feature_map: Tensor) -> Tensor:
            if resolution not in aligned:
                return feature_map
            levels[resolution] = level_at(resolution, feature_map, levels[max(levels)] if levels else None)
            return self._aligner(resolution).move(feature_map, levels[resolution])

        # Images, masks and codes are float32 whatever the layers compute in.
        generated = self.generator.synthesise(
            w_plus, noise=noise, rng=rng, on_up=on_up, content=content, style_offset=style_offset
        )
        masks = [levels[resolution].mask for resolution in sorted(levels)] or [
            generated.new_zeros(len(w_plus), 1, 1, 1)
        ]
        ood_mask = compose_masks(masks, kept.shape[-1])
        if self.decomposition is not None:
            ood_mask = self.decomposition.finish(ood_mask, kept)
        return _Drawn(levels=levels, ood_mask=ood_mask, generated=generated)

    def _aligner(self, resolution: int) -> LevelAligner:
        assert self.decomposition is not None
        return self.decomposition.level(resolution)

    def _guides(
        self,
        crop: Tensor,
        feature_maps: Mapping[int, Tensor],
        plain: Tensor | None,
        active_levels: Collection[int] | None,
    ) -> dict[int, Guide]:
        levels = () if self.decomposition is None else self.decomposition.config.levels
        if not set(active_levels or ()) <= set(levels):
            raise ValueError(f"active levels must be among the decomposition's {list(levels)}, got {active_levels}")
        if self.decomposition is None:
            return {}
        evidence = self.decomposition.evidence(crop, plain)
        return {
            resolution: self._aligner(resolution).guide(
                feature_maps[resolution], None if evidence is None else F.adaptive_avg_pool2d(evidence, resolution)
            )
            for resolution in levels
            if active_levels is None or resolution in active_levels
        }


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _moved(level: Alignment, motion: Tensor) -> Alignment:
    return Alignment(flow=follow(level.flow, motion), mask=follow(level.mask, motion))


LevelAt = Callable[[int, Tensor, Alignment | None], Alignment]
"""Flow and mask of a level, from (resolution, the generator's map, the coarser level's alignment)."""


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    levels: dict[int, Alignment]
    ood_mask: Tensor
    generated: Tensor
