"""What the maintenance flow is asked for; the Prefect UI draws its form from this."""

from pydantic import BaseModel, ConfigDict, Field


class MaintainRequest(BaseModel):
    """One round of maintenance over a dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(min_length=1, description="Dataset: a folder or s3://bucket/prefix")
    endpoint_url: str | None = Field(
        default=None, description="Of an S3-compatible server; empty = what the environment says, else AWS"
    )
    credentials_block: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+$",
        description="Name of an s3-access block with the credentials; empty = the machine's own (environment, role)",
    )
    deep: bool = Field(default=False, description="Read and hash every object, instead of comparing sizes only")
    delete: bool = Field(default=False, description="Delete what nothing lists, instead of counting it only")
    grace_hours: float = Field(
        default=24.0,
        ge=1,
        le=8760,
        description="Hours since an attempt last wrote before its leftovers count as garbage; at least twice as long "
        "as a living attempt may go without writing",
    )
