"""What the evaluation flow is asked for; the Prefect UI draws its form from this."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from oodinv.evaluation.settings import PARTS, Part, Settings


class EvaluateRequest(BaseModel):
    """Bundles to measure on datasets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundles: tuple[str, ...] = Field(
        min_length=1, description="Model bundles, side by side: names, folders or s3://bucket/prefix"
    )
    datasets: tuple[str, ...] = Field(
        min_length=1, description="Folders of rendered portraits, or of square images such as CelebA-HQ's test split"
    )
    out: str = Field(min_length=1, description="Folder for the table, plots and sheets")
    parts: tuple[Part, ...] = Field(default=PARTS, min_length=1, description="What to measure")
    count: int | None = Field(default=None, ge=1, description="The first samples of each dataset; empty = all")
    edit_count: int = Field(default=100, ge=1, description="Samples whose edits are measured")
    generator_count: int = Field(default=500, ge=1, description="Pictures drawn to be compared with the dataset")
    batch: int = Field(default=16, ge=1, le=1024, description="Crops for each call of a model")
    preset: Literal["full", "fast"] = Field(default="full", description="fast aligns in one round")
    composition: Literal["repredict", "reuse", "minimum", "follow"] | None = Field(
        default=None, description="For attributes and for edits put back into photos; empty = what each bundle says"
    )
    strengths: tuple[float, ...] = Field(
        default=(-2.0, -1.0, 1.0, 2.0), description="Of edits whose attributes are predicted"
    )
    scales: tuple[int, ...] = Field(
        default=(1, 2, 4), description="Photo sides in crop sides at which edits are put back"
    )
    regressor: str | None = Field(default=None, description="Attribute regressor; empty = no gain and leakage")
    lpips: str | None = Field(default=None, description="LPIPS weights as safetensors; empty = no LPIPS")
    inception: str | None = Field(default=None, description="Inception weights as safetensors; empty = no FID")
    detector: Literal["centerface", "face-alignment"] | None = Field(
        default=None, description="Looks for faces in what comes out; empty = nobody looks"
    )
    seed: int = Field(default=0, ge=0, description="Of drawn pictures, patches and projections")
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:1")
    cache: str | None = Field(
        default=None, description="Folder for decoded crops; empty = beside each dataset, which must be writable then"
    )
    sheets: bool = Field(default=False, description="Also draw sheets to look at")

    def settings(self) -> Settings:
        """As the library takes them."""
        fields = self.model_dump(include=set(Settings.__dataclass_fields__))
        return Settings(**fields)
