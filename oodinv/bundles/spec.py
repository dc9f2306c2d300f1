"""What `bundle.json` says."""

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from oodinv.edits.shape import Space
from oodinv.models.decomposition import Choices, Composition, DecompositionConfig
from oodinv.models.e4e import EncoderConfig
from oodinv.models.encoders import AnyEncoderConfig
from oodinv.models.encoding import EncoderShape, check_fit
from oodinv.models.featurestyle import FeatureStyleConfig
from oodinv.models.identity import IdentityConfig
from oodinv.models.restyle import RestyleConfig
from oodinv.models.stylegan2 import GeneratorConfig

FORMAT = 1
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BundleError(Exception):
    """The bundle is missing, damaged or not what it says it is."""


def _plain_name(name: str) -> str:
    """Nothing outside the bundle's folder is ever opened."""
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"expected a plain name beside bundle.json, got {name[:60]!r}")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]
Count = Annotated[int, Field(gt=0)]
PerStage = tuple[Count, Count, Count, Count]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StoredFile(_Strict):
    """A file beside `bundle.json`."""

    file: FileName
    sha256: Sha256


class WeightsFile(StoredFile):
    """A safetensors file."""


class GeneratorSpec(WeightsFile):
    """Shape of the generator; see `GeneratorConfig`."""

    channel_base: Count
    channel_max: Count
    style_dim: Count
    z_dim: Count
    num_mapping_layers: Annotated[int, Field(ge=0)]
    """0 where a published file left the mapping out: nothing can be drawn from random latents then."""
    mapping_rate_multiplier: float
    normalise_z: bool


class E4eSpec(WeightsFile):
    """Shape of an e4e or pSp encoder; see `EncoderConfig`."""

    kind: Literal["e4e"]
    input_resolution: Literal[16, 32, 64, 128, 256, 512]
    stem_width: Count
    widths: PerStage
    units: PerStage
    head_width: Count
    num_coarse: int
    num_middle: int
    pyramid_upsample: Literal["bilinear", "bicubic"]
    antialias: bool
    progressive: bool = True

    def config(self, generator: GeneratorConfig) -> EncoderConfig:
        """The shape, with what follows from the generator."""
        fields = self.model_dump(exclude={"file", "sha256", "kind"})
        return EncoderConfig(num_layers=generator.num_layers, style_dim=generator.style_dim, **fields)


class RestyleSpec(WeightsFile):
    """Shape of a ReStyle encoder; see `RestyleConfig`."""

    kind: Literal["restyle"]
    input_resolution: Literal[16, 32, 64, 128, 256, 512]
    stem_width: Count
    widths: PerStage
    units: PerStage
    head_width: Count
    progressive: bool
    num_passes: Count

    def config(self, generator: GeneratorConfig) -> RestyleConfig:
        """The shape, with what follows from the generator."""
        fields = self.model_dump(exclude={"file", "sha256", "kind"})
        return RestyleConfig(num_layers=generator.num_layers, style_dim=generator.style_dim, **fields)


class FeatureStyleSpec(WeightsFile):
    """Shape of a Feature-Style encoder; see `FeatureStyleConfig`."""

    kind: Literal["featurestyle"]
    input_resolution: Literal[64, 128, 256, 512]
    stem_width: Count
    widths: PerStage
    units: PerStage
    pooled: Count
    content_width: Count
    inject_content: bool

    def config(self, generator: GeneratorConfig) -> FeatureStyleConfig:
        """The shape, with what follows from the generator."""
        fields = self.model_dump(exclude={"file", "sha256", "kind"})
        return FeatureStyleConfig(num_layers=generator.num_layers, style_dim=generator.style_dim, **fields)


_ENCODERS = ("e4e", "restyle", "featurestyle")


def _known_kind(encoder: Any) -> Any:
    """Say it plainly; the union's own message is about tags."""
    if isinstance(encoder, dict) and encoder.get("kind") not in _ENCODERS:
        raise ValueError(
            f"kind must be one of {', '.join(_ENCODERS)}, got {encoder.get('kind')!r:.60}: the bundle was made by "
            "another version"
        )
    return encoder


EncoderSpec = Annotated[
    E4eSpec | RestyleSpec | FeatureStyleSpec, Field(discriminator="kind"), BeforeValidator(_known_kind)
]


class IdentitySpec(WeightsFile):
    """Shape of an identity network; see `IdentityConfig`."""

    input_resolution: Annotated[int, Field(gt=0, multiple_of=16)]
    stem_width: Count
    widths: PerStage
    units: PerStage
    embedding_dim: Count

    def config(self) -> IdentityConfig:
        """The shape."""
        return IdentityConfig(**self.model_dump(exclude={"file", "sha256"}))


class ChoicesSpec(_Strict):
    """The named differences between the settings; see `Choices`."""

    logit_norm: bool
    conv_bias: bool = False
    align_corners: bool
    padding: Literal["zeros", "border"]
    blur: Literal["centred", "shifted"]
    gate_warp: bool
    see_error: bool
    refine_mask: bool = False
    edit_composition: Composition


class DecompositionSpec(WeightsFile):
    """Shape of the decomposition; see `DecompositionConfig`."""

    levels: tuple[int, ...] = Field(min_length=1)
    num_iterations: Count
    max_displacement: float
    width: Count | None
    choices: ChoicesSpec
    calibration: tuple[float, float] = (1.0, 0.0)


class EditSpec(_Strict):
    """What a named edit does."""

    space: Space
    """What the direction's tensor is: one offset [style_dim] for several rows of `w_plus`, one for each row
    [num_layers, style_dim], or a flat StyleSpace vector [style_channels]."""
    layers: tuple[int, int]
    """Rows of `w_plus` it moves: from, to (exclusive); without effect in StyleSpace."""
    unit: str
    safe_range: tuple[float, float]


class DirectionsSpec(WeightsFile):
    """Named edits; the file holds one tensor per name, see `EditSpec.space`."""

    edits: dict[str, EditSpec]
    regressor_sha256: Sha256 | None = None
    """Of the attribute regressor that straightened the directions: it must not judge them. None = there was none, or it
    is not known."""


class BundleSpec(_Strict):
    """The whole of `bundle.json`."""

    format: Literal[1]
    name: str
    version: str
    setting: Literal["paper", "improved"]
    resolution: int
    generator: GeneratorSpec
    encoder: EncoderSpec
    decomposition: DecompositionSpec | None
    """None: nothing is aligned and nothing kept from the photo."""
    directions: DirectionsSpec
    identity: IdentitySpec | None = None
    """Measures whether an edit kept the face's identity; None: nothing measures it."""
    latents: WeightsFile | None = None
    """How portraits' parameters become the generator's latents, see `LatentMoments`; None: its latents are normal."""
    seen: StoredFile | None = None
    """JSON of what the networks were trained on, see `training.seen`; None: not known."""
    licence: str
    provenance: str
    card: FileName = "card.md"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "BundleSpec":
        check_fit(self.encoder_config(), self.generator_config())
        self.decomposition_config()
        num_layers = self.generator_config().num_layers
        for name, edit in self.edits.items():
            first, last = edit.layers
            if not 0 <= first < last <= num_layers:
                raise ValueError(f"edit {name!r} moves layers {first} to {last}, the generator has 0 to {num_layers}")
        return self

    @property
    def edits(self) -> dict[str, EditSpec]:
        """The named edits."""
        return self.directions.edits

    @property
    def edit_composition(self) -> Composition:
        """Where flows and masks of an edit come from when nobody says otherwise, see `Choices.edit_composition`."""
        return "reuse" if self.decomposition is None else self.decomposition.choices.edit_composition

    @property
    def files(self) -> list[StoredFile]:
        """All files whose hashes `bundle.json` has."""
        parts: list[StoredFile | None] = [
            self.generator, self.encoder, self.decomposition, self.directions, self.identity, self.latents, self.seen,
        ]  # fmt: skip
        return [part for part in parts if part is not None]

    def generator_config(self) -> GeneratorConfig:
        """The generator's shape."""
        fields = self.generator.model_dump(exclude={"file", "sha256"})
        return GeneratorConfig(resolution=self.resolution, **fields)

    def encoder_config(self) -> AnyEncoderConfig:
        """The encoder's shape."""
        return self.encoder.config(self.generator_config())

    def decomposition_config(self) -> DecompositionConfig | None:
        """The decomposition's shape; channel counts follow from generator and encoder."""
        spec = self.decomposition
        if spec is None:
            return None
        return decomposition_config(
            self.generator_config(),
            self.encoder_config(),
            levels=spec.levels,
            num_iterations=spec.num_iterations,
            max_displacement=spec.max_displacement,
            width=spec.width,
            choices=Choices(**spec.choices.model_dump()),
            calibration=spec.calibration,
        )


def decomposition_config(
    generator: GeneratorConfig, encoder: EncoderShape, *, levels: tuple[int, ...], **rest: Any
) -> DecompositionConfig:
    """Fill in the channel counts at each level.

    Raises:
        BundleError: The encoder has no feature map at a level, or the generator no up-convolution.
    """
    available = {level: n for level, n in encoder.map_channels.items() if level in generator.resolutions[1:]}
    missing = [level for level in levels if level not in available]
    if missing:
        raise BundleError(f"no feature maps to compare at {missing}: levels may be among {sorted(available)}")
    return DecompositionConfig(
        levels=levels,
        generator_channels=tuple(generator.channels(level) for level in levels),
        encoder_channels=tuple(available[level] for level in levels),
        **rest,
    )


@dataclass(frozen=True, kw_only=True)
class ParsedSpec:
    """A spec and the hash that identifies the bundle."""

    spec: BundleSpec
    sha256: str
    """Of the bytes of `bundle.json`, which hold the hashes of all other files."""
    raw: bytes = field(repr=False)


def parse_spec(raw: bytes, sha256: str) -> ParsedSpec:
    """Read `bundle.json`.

    Raises:
        BundleError: Not JSON, another format, or fields missing or unknown.
    """
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"bundle.json is not JSON ({error}): the bundle is damaged, fetch it again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise BundleError(f"bundle.json must have format {FORMAT}, got {found!r}: it was made by another version")
    try:
        spec = BundleSpec.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{_path(e['loc'])}: {e['msg']}" for e in error.errors()[:5])
        raise BundleError(f"bundle.json is not valid: {problems}") from error
    return ParsedSpec(spec=spec, sha256=sha256, raw=raw)


def _path(place: tuple[int | str, ...]) -> str:
    """Where in the file; pydantic also names the encoder's kind, which is no key there."""
    if place[:1] == ("encoder",) and place[1:2] and place[1] in _ENCODERS:
        place = (place[0], *place[2:])
    return ".".join(map(str, place))
