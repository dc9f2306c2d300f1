"""A training in the Prefect UI: one progress artifact and one picture, both renewed in place."""

import base64
import io
import time
from collections.abc import Mapping
from typing import cast
from uuid import UUID

import numpy as np
from PIL import Image
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from tasks.show import shown, worth_asking

_EVERY_S = 5.0
_WIDTH = 1200
"""Pixels; keeps a picture in the UI's database at a few hundred kilobytes."""


class TrainingArtifacts:
    """Listens to a training; a server that is away does not stop it."""

    def __init__(self, kind: str):
        self._kind = kind
        self._progress: UUID | None = None
        self._sheet: UUID | None = None
        self._shown_at, self._done = 0.0, 0.0
        with shown("the progress"):
            # Prefect's functions are typed for both kinds of caller; in a sync task they return the id itself.
            self._progress = cast(
                UUID,
                create_progress_artifact(
                    progress=0.0, key="oodinv-training-progress", description=f"Steps done, {kind}"
                ),
            )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Move the bar, every few seconds at most."""
        self._done = values["done"]
        if time.monotonic() - self._shown_at > _EVERY_S:
            self._move()

    def sheet(self, step: int, picture: np.ndarray) -> None:
        """Replace the picture."""
        if not worth_asking():
            return
        text = f"After {step} steps.\n\n![samples]({inline(picture)})\n"
        with shown("the samples"):
            if self._sheet is None:
                made = create_markdown_artifact(
                    text, key="oodinv-training-samples", description=f"What the {self._kind} makes"
                )
                self._sheet = cast(UUID, made)
            else:
                # In place: a version for each picture would fill the server's database.
                with get_client(sync_client=True) as client:
                    client.update_artifact(self._sheet, ArtifactUpdate(data=text))

    def close(self) -> None:
        """Show how far it came."""
        self._move()

    def _move(self) -> None:
        self._shown_at = time.monotonic()
        if self._progress is not None and worth_asking():
            with shown("the progress"):
                update_progress_artifact(self._progress, progress=round(100 * self._done, 2))


def inline(picture: np.ndarray) -> str:
    """A picture [height, width, 3] as a `data:` address, small enough for the UI."""
    image = Image.fromarray(picture)
    image.thumbnail((_WIDTH, 10 * _WIDTH))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
