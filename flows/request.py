"""What the augment flow is asked for; the Prefect UI draws its form from this."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from oodinv.edits import expand_edits
from oodinv.edits.sweep import MOST_PRODUCTS
from oodinv.report.cost import Prices


class PricesRequest(BaseModel):
    """What things cost, in any currency; the run report states the cost of 1,000 photos."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor_hour: float = Field(default=0.0, ge=0, description="One actor for an hour, with its share of machine and GPU")
    write_1000: float = Field(default=0.0, ge=0, description="1,000 PUT, POST or LIST requests")
    read_1000: float = Field(default=0.0, ge=0, description="1,000 GET or HEAD requests")
    gb_month: float = Field(default=0.0, ge=0, description="One GB kept for a month")
    currency: str = Field(default="USD", max_length=12, description="Shown beside the numbers")

    def for_report(self) -> Prices:
        """As the report takes them."""
        return Prices(**self.model_dump())


class AugmentRequest(BaseModel):
    """One run over a bucket or folder of photos."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="Photos: a folder, or s3://bucket/prefix")
    target: str = Field(description="Dataset: a folder or s3://bucket/prefix; an existing one is continued")
    edits: tuple[str, ...] = Field(
        min_length=1,
        description="Each becomes a product: smile=+1.5, or several combined: smile=+1.5,age=-1, or identity. A sweep "
        "becomes several: smile=-2:2:5 = from -2 to 2 in five",
    )
    bundle: str = Field(default="embedded", description="Model bundle: a name, a folder or s3://bucket/prefix")
    composition: Literal["repredict", "reuse", "minimum", "follow"] | None = Field(
        default=None,
        description="Where the mask of an edited face comes from; empty = what the bundle says. repredict: flows and "
        "masks are predicted anew from the edited face, as the released code does. reuse: those of the inversion. "
        "minimum: the smaller of both masks. follow: what is kept from the photo moves along with the edit",
    )
    detector: Literal["centerface", "face-alignment"] = Field(default="centerface", description="Face detector")
    output: Literal["photo", "crop"] = Field(default="photo", description="Write whole photos, or one crop per face")
    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="File format of the images")
    quality: int = Field(default=95, ge=1, le=100, description="Of JPEG and WebP")
    keep: tuple[Literal["masks", "crops", "latents"], ...] = Field(default=(), description="Also write these, per face")
    objects: Literal["files", "tars"] = Field(
        default="files",
        description="files: each picture is an object. tars: those of a shard are in few tars, for stores that charge "
        "for each object or mind their number",
    )
    shard_size: int = Field(
        default=256, ge=1, le=10_000, description="Photos per shard, the unit of work and resumption"
    )
    wave_shards: int = Field(default=16, ge=1, le=1_000, description="Shards per wave, one task run each wave")
    workers: int | None = Field(
        default=None,
        ge=1,
        le=1_000,
        description="Actors; empty = one per processor of the cluster, or of this machine (at most 8)",
    )
    min_workers: int | None = Field(
        default=None,
        ge=0,
        le=1_000,
        description="Actors that are kept even while there is less work; empty = all, until the run's end",
    )
    face_workers: int | None = Field(
        default=None,
        ge=0,
        le=1_000,
        description="Actors on processors that find faces for those that edit; 0 = every actor does both; empty = with "
        "GPUs as many as keep these busy, else 0",
    )
    max_failed_share: float = Field(
        default=0.05, ge=0, le=1, description="A larger share of failed photos ends the run as failed, after its report"
    )
    gpus_per_worker: float = Field(
        default=0.0, ge=0, le=8, description="GPUs of each actor, 0.5 lets two share one; 0 computes on processors"
    )
    microbatch: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Faces for each call of the model, fewer if memory runs out; empty = 1 on a processor, 16 on a GPU",
    )
    preset: Literal["full", "fast"] = Field(
        default="full", description="fast aligns in one round instead of the bundle's own number: quicker, less exact"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="bfloat16 is for GPUs and processors that compute in it"
    )
    seed: int = Field(default=0, ge=0, description="Of random noise; the default noise is fixed")
    endpoint_url: str | None = Field(
        default=None, description="Of an S3-compatible server; empty = what the environment says, else AWS"
    )
    credentials_block: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+$",
        description="Name of an s3-access block with the credentials; empty = the machine's own (environment, role)",
    )
    require_fencing: bool = Field(
        default=False, description="Refuse a target that ignores create-only writes, instead of being its only writer"
    )
    list_source: bool = Field(
        default=True,
        description="Look for new and changed photos; without, only those are worked on that earlier runs have found",
    )
    show_faces: bool = Field(
        default=True, description="Contact sheet and gallery of at most 32 photos in the UI and beside the report"
    )
    prices: PricesRequest = Field(default=PricesRequest(), description="For the cost in the run report")
    link_base: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Address under which people can open the target's objects; the report links the gallery below it",
    )
    dry_run: bool = Field(default=False, description="Plan and say what would be done; write nothing")

    @field_validator("edits")
    @classmethod
    def _edits_are_readable_and_differ(cls, edits: tuple[str, ...]) -> tuple[str, ...]:
        canonical = [edit for text in edits for edit in expand_edits(text)]
        if len(canonical) > MOST_PRODUCTS:
            raise ValueError(f"at most {MOST_PRODUCTS} edits can be asked for at once, these make {len(canonical)}")
        doubled = sorted({text for text in canonical if canonical.count(text) > 1})
        if doubled:
            raise ValueError(f"every edit may be asked for once, got {doubled} twice")
        return tuple(canonical)

    @field_validator("keep")
    @classmethod
    def _keep_is_a_set(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(keep)))

    @model_validator(mode="after")
    def _fewest_and_most_workers_agree(self) -> "AugmentRequest":
        if self.min_workers is not None and self.workers is not None and self.min_workers > self.workers:
            raise ValueError(f"min_workers {self.min_workers} is more than workers {self.workers}: at most as many")
        return self
