"""What a run computes: the products, their fingerprints, and what a worker needs to know."""

from dataclasses import dataclass, replace
from typing import Literal

from oodinv.bundles.bundle import Bundle
from oodinv.bundles.inverter import Preset
from oodinv.edits import Edit, edit_slug, format_edits
from oodinv.imaging.decode import DecodeLimits
from oodinv.ledger.inventory import Sample
from oodinv.ledger.products import Product as ProductDefinition
from oodinv.ledger.products import define_product
from oodinv.ledger.retry import Repair
from oodinv.models.decomposition import Composition
from oodinv.models.precision import Precision
from oodinv.store import DEFAULT_ACCESS, Access

Output = Literal["photo", "crop"]
Format = Literal["jpeg", "png", "webp"]
Keep = Literal["masks", "crops", "latents"]
Objects = Literal["files", "tars"]
Part = Literal["all", "faces", "edits"]

FACES_CROP = 1024
"""Crop size that `crop_transform` in faces rows refers to: FFHQ's own."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """One thing a run makes of every photo."""

    definition: ProductDefinition
    edits: tuple[Edit, ...] | None
    """None for the faces product; empty for the reconstruction."""
    composition: Composition | None = None
    """Where flows and masks come from; None where there is no edit, and so nothing to choose."""

    @property
    def name(self) -> str:
        """As in the ledger."""
        return self.definition.name

    @property
    def slug(self) -> str:
        """The readable part of the name."""
        return self.definition.slug


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """All a worker needs, small enough to be sent to it."""

    source: str
    target: str
    detector: str
    bundle: str
    faces: Product
    products: tuple[Product, ...]
    output: Output
    format: Format
    quality: int
    keep: frozenset[Keep]
    seed: int
    preset: Preset = "full"
    precision: Precision = "float32"
    access: Access = DEFAULT_ACCESS
    """How to reach source and target."""
    previews: frozenset[str] = frozenset()
    """Samples whose faces get a preview strip for the contact sheet."""
    objects: Objects = "files"
    """Each picture is an object of its own, or those of a shard are in few tars. Rows and bytes are the same: it is no
    part of a fingerprint."""
    microbatch: int | None = None
    """Most faces, of one or several photos, for each call of the model; None = what suits the device. Like the number
    of actors it is no part of a product's fingerprint, though on a GPU, and on a CPU above 1, the last bits of a photo
    may differ with what it was batched with: docs/decisions/003."""


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """The unit of work: a shard and what it lacks."""

    shard_id: str
    samples: tuple[Sample, ...]
    missing: tuple[str, ...]
    """Names of products."""
    quarantine: frozenset[str] = frozenset()
    """Samples that killed a worker: they get a row and are not touched."""
    repair: Repair | None = None
    """Samples to do again in products that are committed; done before what is missing, which may be made of them."""
    one_by_one: bool = False
    """One sample is finished before the next is begun, so that whatever goes wrong has a name."""
    part: Part = "all"
    """Of the products, those that are made: a worker on a processor finds faces, one on a GPU edits them."""
    edits_follow: bool = False
    """Another worker goes on with the edits."""

    @property
    def role(self) -> str:
        """Which workers do it."""
        return self.part

    @property
    def num_samples(self) -> int:
        """Samples that are touched."""
        return len(self.samples) if self.missing else len(self.repaired().samples)

    def products(self, faces: str) -> tuple[str, ...]:
        """What it makes of what is missing, given the name of the faces product."""
        of_part = {"all": (True, False), "faces": (True,), "edits": (False,)}[self.part]
        return tuple(name for name in self.missing if (name == faces) in of_part)

    def split(self, faces: str) -> "ShardJob":
        """The same work by two workers, one after the other; by one where there is only one part."""
        names = {*self.missing, *({} if self.repair is None else self.repair.generations)}
        if faces not in names:
            return replace(self, part="edits")
        return replace(self, part="faces", edits_follow=names != {faces})

    def then(self) -> "ShardJob | None":
        """What is to be done next, by another worker."""
        if not self.edits_follow:
            return None
        return replace(self, part="edits", edits_follow=False, one_by_one=False)

    def generation(self, product: str) -> int:
        """Of the commit that a product gets."""
        return 0 if self.repair is None else self.repair.generations.get(product, 0)

    def repaired(self) -> "ShardJob":
        """The repair as a job of its own."""
        repair = self.repair
        if repair is None:
            return replace(self, samples=(), missing=())
        samples = tuple(sample for sample in self.samples if sample.sample_id in repair.samples)
        return replace(self, samples=samples, missing=tuple(repair.generations))

    def without(self, sample_id: str) -> "ShardJob":
        """The same work with one more sample in quarantine."""
        return replace(self, quarantine=self.quarantine | {sample_id})

    def with_care(self) -> "ShardJob":
        """The same work after an attempt at it ended badly: sample by sample."""
        return replace(self, one_by_one=True)


def faces_product(detector: str, weights_sha256: str) -> Product:
    """The product of rows about faces: what it depends on is the decoder, the detector and the alignment."""
    limits = DecodeLimits()
    parameters = {
        "limits": [limits.max_bytes, limits.max_pixels, limits.max_side],
        "detector": detector,
        "detector_sha256": weights_sha256,
    }
    return Product(definition=define_product("faces", parameters, ("decode", "detect", "align")), edits=None)


def edit_product(
    edits: tuple[Edit, ...],
    *,
    faces: Product,
    bundle: Bundle,
    output: Output,
    format: Format,
    quality: int,
    keep: frozenset[Keep],
    seed: int,
    composition: Composition | None = None,
    preset: Preset = "full",
    precision: Precision = "float32",
) -> Product:
    """The product of one edit; `composition` None is the bundle's own, and the fingerprint holds which that is."""
    chosen = (composition or bundle.spec.edit_composition) if edits else None
    decomposition = bundle.spec.decomposition
    if decomposition is None:  # nothing to choose, so no choice makes another product
        chosen = "reuse" if edits else None
    if decomposition is None or decomposition.num_iterations == 1:
        preset = "full"
    parameters = {
        "faces": faces.definition.fingerprint,
        "edit": format_edits(edits),
        "bundle_sha256": bundle.sha256,
        "noise": "fixed",
        "output": output,
        "format": format,
        "quality": quality if format != "png" else None,
        "keep": sorted(keep),
        "seed": seed,
        "composition": chosen,
        "preset": preset,
        "precision": precision,
    }
    algorithms = ("decode", "align", "model", "compose", "encode")
    return Product(definition=define_product(edit_slug(edits), parameters, algorithms), edits=edits, composition=chosen)
