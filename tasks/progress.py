"""Progress in place: one bar in the terminal, one artifact in the UI."""

import time
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from tqdm import tqdm

from tasks.show import shown, worth_asking

_EVERY_S = 5.0
_STEPS = 100
"""Updates of a run at most, however many photos it has; one per percent."""


class Progress:
    """Counts photos; close it at the end."""

    def __init__(self, total: int):
        self._total, self._done = max(total, 1), 0
        self._bar = tqdm(total=total, unit="photo", desc="photos")
        self._artifact: UUID | None = None
        self._shown_at, self._shown_n = time.monotonic(), 0
        with shown("the progress"):
            # Prefect's functions are typed for both kinds of caller; in a sync flow they return the id itself.
            self._artifact = cast(
                UUID,
                create_progress_artifact(progress=0.0, key="oodinv-progress", description="Photos done in this run"),
            )

    def __call__(self, photos: int) -> None:
        """So many more are done."""
        self._done += photos
        self._bar.update(photos)
        waited = time.monotonic() - self._shown_at > _EVERY_S
        if waited and (self._done - self._shown_n) * _STEPS >= self._total:
            self._show()

    def close(self) -> None:
        """Show the last state."""
        self._bar.close()
        self._show()

    def _show(self) -> None:
        self._shown_at, self._shown_n = time.monotonic(), self._done
        if self._artifact is not None and worth_asking():
            with shown("the progress"):
                update_progress_artifact(self._artifact, progress=100 * self._done / self._total)
