"""The released decomposition (arXiv 2212.09262): `net_g_*.pth` of its training code.

Layout: `{"params": …, "params_ema": …}`. Training saves only names with `modulation` or `feats_conv` in them: the
decomposition, and by accident copies of the generator's style layers. Older saves hold the whole model: `encoder.*` in
e4e's layout, `generator.*` in rosinality's, `avg_latent`. Levels are counted from the finest: `modulation.0` and
`feats_conv.0` are at the encoder's input resolution, every next one at half of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from oodinv.bundles.formats import featurestyle, psp, restyle, rosinality
from oodinv.bundles.formats.generators import check_kernels
from oodinv.bundles.formats.latent_avg import one_style
from oodinv.bundles.formats.parts import DecompositionPart, EncoderPart, Parts, Setting
from oodinv.bundles.formats.table import Numbers, Row, axis, count, matches, to_ours, weights_of
from oodinv.bundles.spec import BundleError
from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig
from oodinv.models.encoding import EncoderShape
from oodinv.models.stylegan2 import GeneratorConfig

ROUNDS, DISPLACEMENT = 2, 0.08
"""What the released training used; neither is stored in a file."""

KERNELS = ("modulation.{}.alignment.blur.kernel",)
UNUSED = ("modulation.{}.weight", "modulation.{}.noiseInj.weight")
"""Left from other experiments: nothing reads them."""
STRAY = (
    "generator.conv{}.conv.modulation.*",
    "generator.to_rgb{}.conv.modulation.*",
    "generator.convs.{}.conv.modulation.*",
    "generator.to_rgbs.{}.conv.modulation.*",
)
"""Copies of the generator's style layers, saved by accident."""
_WHOLE = ("encoder.", "generator.")


def is_decomposition(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has this layout."""
    return "feats_conv.0.weight" in tensors and any(key.startswith("modulation.0.alignment.") for key in tensors)


def read_model(tensors: Mapping[str, Tensor], what: str, setting: Setting) -> Parts:
    """Take a save apart: the decomposition alone, or all of the model.

    Raises:
        BundleError: With what was expected and what came.
    """
    whole = "generator.input.input" in tensors
    own = {k: v for k, v in tensors.items() if not k.startswith(_WHOLE) and k not in ("avg_latent", "delta_latent")}
    rest = {k: v for k, v in tensors.items() if k.startswith(_WHOLE)}
    decomposition = _read_decomposition(own, what)
    if not whole:
        unknown = [key for key in rest if not any(matches(pattern, key) for pattern in STRAY)]
        if unknown:
            raise BundleError(f"{what} is a save of a part of the model: expected all of it or none, got {unknown[:4]}")
        return Parts(decomposition=decomposition)
    generator = rosinality.read_generator(_under(rest, "generator."), f"{what}, generator")
    encoder = _read_encoder(_under(rest, "encoder."), f"{what}, encoder", setting)
    average = tensors.get("avg_latent")
    return Parts(
        generator=generator,
        encoder=encoder,
        decomposition=decomposition,
        latent_avg=None if average is None else one_style(average, encoder.config.style_dim, what),
    )


def _read_encoder(tensors: Mapping[str, Tensor], what: str, setting: Setting) -> EncoderPart:
    """The released model comes with e4e, ReStyle over e4e, or Feature-Style."""
    if featurestyle.is_encoder(tensors):
        return featurestyle.read_encoder(tensors, what, setting)
    if "latlayer1.weight" in tensors:
        return psp.read_pyramid_encoder(tensors, what, setting, progressive=True)
    return restyle.read_encoder(tensors, what, {}, progressive=True)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _read_decomposition(tensors: Mapping[str, Tensor], what: str) -> DecompositionPart:
    levels = range(count(tensors, "feats_conv.{}.weight"))
    check_kernels(tensors, KERNELS, 1.0, what)
    return DecompositionPart(
        generator_channels=tuple(axis(tensors, f"feats_conv.{k}.weight", 0, 4, what) for k in levels),
        encoder_channels=tuple(axis(tensors, f"feats_conv.{k}.weight", 1, 4, what) for k in levels),
        conv_bias="modulation.0.alignment.body.body.0.res_layer.1.bias" in tensors,
        tensors=tensors,
    )


def rows(levels: Sequence[int]) -> tuple[Row, ...]:
    """The table of a decomposition with these levels, coarse to fine."""

    def from_finest(level: int, *rest: int) -> Numbers:
        return len(levels) - 1 - levels.index(level), *rest

    block = "modulation.{}.alignment.body.body"
    return (
        Row("feats_conv.{}.*", "levels.{}.project_encoder.*", number=from_finest),
        Row(f"{block}.0.res_layer.{{}}.*", "levels.{}.trunk.body.{}.*", number=from_finest),
        Row(f"{block}.1.res_layer.{{}}.*", "levels.{}.head.body.{}.*", number=from_finest),
        Row(f"{block}.1.shortcut_layer.{{}}.*", "levels.{}.head.shortcut.{}.*", number=from_finest),
    )


def fit(
    part: DecompositionPart,
    generator: GeneratorConfig,
    encoder: EncoderShape,
    *,
    num_iterations: int,
    max_displacement: float,
    what: str,
) -> tuple[DecompositionConfig, dict[str, Tensor]]:
    """Give a decomposition its levels, which the encoder's resolution tells, and check that it fits.

    Args:
        part: As read.
        generator: Whose maps it aligns.
        encoder: Whose maps it compares them with.
        num_iterations: Alignment rounds.
        max_displacement: Largest flow.
        what: The file, for errors.

    Raises:
        BundleError: It was trained on another generator or encoder, or its file is not whole.
    """
    finest = max(encoder.map_channels)
    levels = [finest // 2**k for k in range(len(part.generator_channels))]
    for k, level in enumerate(levels):
        ours = (
            encoder.map_channels.get(level),
            generator.channels(level) if level in generator.resolutions[1:] else None,
        )
        theirs = (part.encoder_channels[k], part.generator_channels[k])
        if ours != theirs:
            raise BundleError(
                f"{what} was made for another model: its level {k} from the finest takes {theirs[0]} channels of an "
                f"encoder and {theirs[1]} of a generator, at {level} pixels this encoder has {ours[0] or 'no map'} and "
                f"this generator {ours[1] or 'no layer'}"
            )
    levels.reverse()
    config = DecompositionConfig(
        levels=tuple(levels),
        generator_channels=part.generator_channels[::-1],
        encoder_channels=part.encoder_channels[::-1],
        num_iterations=num_iterations,
        max_displacement=max_displacement,
        choices=choices(part),
    )
    weights = to_ours(
        part.tensors,
        rows(levels),
        weights_of(lambda: Decomposition(config)),
        what=what,
        dropped=(*KERNELS, *UNUSED),
    )
    return config, weights


def choices(part: DecompositionPart) -> Choices:
    """Those its weights were trained with."""
    return replace(Choices.paper(), conv_bias=part.conv_bias)
