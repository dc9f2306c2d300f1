"""The model: encoder, generator and decomposition assembled (arXiv 2212.09262, figure 2 and section 3)."""

from dataclasses import dataclass, field

import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator as Rng
from torch import Tensor, nn

from oodinv.models.decomposition import Alignment, Decomposition, blend, compose_masks
from oodinv.models.e4e import Encoder
from oodinv.models.stylegan2 import Generator, NoiseMode


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """A crop, inverted or edited. All images are RGB in [-1, 1] nominally, not clamped."""

    crop: Float[Tensor, "batch 3 size size"]

    w_plus: Float[Tensor, "batch layers style_dim"]

    feature_maps: dict[int, Tensor] = field(repr=False)
    """The encoder's activations by resolution."""

    plain: Float[Tensor, "batch 3 size size"]
    """The generator alone for the inversion's `w_plus` (of the unedited code, also after an edit)."""

    levels: dict[int, Alignment] = field(repr=False)
    """Flow and mask by resolution."""

    ood_mask: Float[Tensor, "batch 1 size size"]
    """1 = out of domain = kept from the crop."""

    generated: Float[Tensor, "batch 3 size size"]
    """The aligned generator image, before blending."""

    @property
    def reconstruction(self) -> Float[Tensor, "batch 3 size size"]:
        """`generated` blended with `crop` by `ood_mask`; for an edit, the edited crop."""
        return blend(self.crop, self.generated, self.ood_mask)


class InversionModel(nn.Module):
    """Encoder, generator and decomposition. Calls are pure: nothing is remembered between them."""

    def __init__(self, encoder: Encoder, generator: Generator, decomposition: Decomposition):
        super().__init__()
        if encoder.config.num_layers != generator.config.num_layers:
            raise ValueError(
                f"the encoder gives {encoder.config.num_layers} styles, the generator takes "
                f"{generator.config.num_layers}: they are not of one model"
            )
        if encoder.config.style_dim != generator.config.style_dim:
            raise ValueError(
                f"the encoder's styles have {encoder.config.style_dim} numbers, the generator's "
                f"{generator.config.style_dim}: they are not of one model"
            )
        self.encoder = encoder
        self.generator = generator
        self.decomposition = decomposition

    def invert(
        self,
        crop: Float[Tensor, "batch 3 size size"],
        *,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
    ) -> Inversion:
        """Encode a crop, draw it, align what was drawn and find what could not be drawn.

        Args:
            crop: FFHQ-aligned faces at the generator's resolution.
            noise: See `Generator.synthesise`.
            rng: Source of random noise.

        Returns:
            The inversion.

        Raises:
            ValueError: The crop has another size than the generator's images.
        """
        size = self.generator.config.resolution
        if crop.shape[-1] != size:
            raise ValueError(f"crops must be {size} pixels wide, the generator's resolution; got {crop.shape[-1]}")
        encoding = self.encoder(crop)
        w_plus = self.generator.latent_avg + encoding.delta_w
        plain = self.generator.synthesise(w_plus, noise=noise, rng=rng)
        return self.align(crop, w_plus, encoding.feature_maps, plain, noise=noise, rng=rng)

    def align(
        self,
        crop: Float[Tensor, "batch 3 size size"],
        w_plus: Float[Tensor, "batch layers style_dim"],
        feature_maps: dict[int, Tensor],
        plain: Float[Tensor, "batch 3 size size"],
        *,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
    ) -> Inversion:
        """Draw styles with alignment to a crop's features, predicting flows and masks."""
        decomposition = self.decomposition
        evidence = decomposition.evidence(crop, plain)
        levels: dict[int, Alignment] = {}

        def on_up(resolution: int, feature_map: Tensor) -> Tensor:
            if resolution not in decomposition.config.levels:
                return feature_map
            aligner = decomposition.level(resolution)
            seen = None if evidence is None else F.adaptive_avg_pool2d(evidence, resolution)
            coarser = levels[max(levels)] if levels else None
            levels[resolution] = aligner(feature_map, feature_maps[resolution], seen, coarser)
            return aligner.move(feature_map, levels[resolution])

        generated = self.generator.synthesise(w_plus, noise=noise, rng=rng, on_up=on_up)
        return self._result(crop, w_plus, feature_maps, plain, levels, generated)

    def edit(
        self,
        inversion: Inversion,
        offset: Float[Tensor, "#batch layers style_dim"],
        *,
        noise: NoiseMode = "fixed",
        rng: Rng | None = None,
    ) -> Inversion:
        """Move an inversion's styles and draw again; the encoder is not run.

        Args:
            inversion: What `invert` returned.
            offset: Added to `w_plus`.
            noise: See `Generator.synthesise`.
            rng: Source of random noise.

        Returns:
            The edited face. `Choices.edit_composition` says where its flows and masks come from.
        """
        w_plus = inversion.w_plus + offset
        if self.decomposition.config.choices.edit_composition == "repredict":
            return self.align(inversion.crop, w_plus, inversion.feature_maps, inversion.plain, noise=noise, rng=rng)

        def on_up(resolution: int, feature_map: Tensor) -> Tensor:
            if resolution not in inversion.levels:
                return feature_map
            return self.decomposition.level(resolution).move(feature_map, inversion.levels[resolution])

        generated = self.generator.synthesise(w_plus, noise=noise, rng=rng, on_up=on_up)
        return self._result(
            inversion.crop, w_plus, inversion.feature_maps, inversion.plain, inversion.levels, generated
        )

    def _result(
        self,
        crop: Tensor,
        w_plus: Tensor,
        feature_maps: dict[int, Tensor],
        plain: Tensor,
        levels: dict[int, Alignment],
        generated: Tensor,
    ) -> Inversion:
        masks = [levels[resolution].mask for resolution in sorted(levels)]
        return Inversion(
            crop=crop,
            w_plus=w_plus,
            feature_maps=feature_maps,
            plain=plain,
            levels=levels,
            ood_mask=compose_masks(masks, crop.shape[-1]),
            generated=generated,
        )
