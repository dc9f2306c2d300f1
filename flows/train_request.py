"""What the training flow is asked for; the Prefect UI draws its form from this."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["generator", "encoder", "decomposition", "directions", "regressor"]


class TrainRequest(BaseModel):
    """One training, or the rest of one that was stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="What to train")
    data: tuple[str, ...] = Field(
        min_length=1, description="Folders of portraits with masks and labels, or of any square crops of faces"
    )
    out: str = Field(min_length=1, description="Folder for checkpoints, log and result; a training in it is continued")
    inputs: dict[str, str] = Field(
        default={}, description="Folders of what was trained before, by name: generator, encoder, regressor"
    )
    settings: dict[str, Any] = Field(
        default={}, description="What differs from the recipe, nested: {training: {batch: 16}}"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto = a GPU where there is one")
    workers: int = Field(
        default=1, ge=1, le=1024, description="Processes that share every batch; on GPUs each has its own"
    )
    cache: str | None = Field(
        default=None, min_length=1, description="Folder for decoded crops. Empty = beside each dataset"
    )
    seconds: float | None = Field(
        default=None, gt=0, description="Save and stop after so long; running it again goes on. Empty = to the end"
    )
    save_every: int = Field(default=500, ge=1, description="Steps between two checkpoints; the last two stay")
    log_every: int = Field(default=50, ge=1, description="Steps between two log lines")
    grid_every: int = Field(default=500, ge=1, description="Steps between two pictures of samples")
    tensorboard: bool = Field(default=True, description="Write curves and pictures for TensorBoard, if it is installed")
