"""Measure bundles on datasets and write the table."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from oodinv.evaluation.run import Networks, run_evaluation
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.write import WrittenEvaluation
from tasks.show import shown, worth_asking

_EVERY_S = 5.0


@dataclass
class _Shown:
    """The share done, as an artifact."""

    artifact: UUID | None = None
    at: float = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        if self.artifact is None or not worth_asking() or (done < total and time.monotonic() - self.at < _EVERY_S):
            return
        self.at = time.monotonic()
        with shown("the progress"):
            update_progress_artifact(self.artifact, progress=100 * done / max(total, 1), description=what)


@task(name="evaluate-bundles", cache_policy=NO_CACHE, persist_result=False)
def evaluate_bundles(
    bundles: Sequence[str],
    datasets: Sequence[str],
    out: Path,
    settings: Settings,
    *,
    lpips: Path | None = None,
    inception: Path | None = None,
    regressor: Path | None = None,
    detector: Literal["centerface", "face-alignment"] | None = None,
    sheets: bool = False,
    cache: Path | None = None,
) -> WrittenEvaluation:
    """Measure; a bar in the terminal, the share done in the UI."""
    progress = _Shown()
    with shown("the progress"):
        # Prefect's functions are typed for both kinds of caller; in a sync flow they return the id itself.
        progress.artifact = cast(
            UUID,
            create_progress_artifact(
                progress=0.0, key="oodinv-evaluation-progress", description="Samples measured in this run"
            ),
        )
    networks = Networks(lpips=lpips, inception=inception, regressor=regressor, detector=detector)
    return run_evaluation(
        bundles,
        datasets,
        out,
        settings,
        networks=networks,
        sheets=sheets,
        cache=cache,
        progress=True,
        on_progress=progress,
    )
