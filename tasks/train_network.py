"""Run one training, here or with several workers."""

from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from oodinv.report.tensorboard import tensorboard
from oodinv.training.checkpoint import last_step
from oodinv.training.job import TrainingJob, run_job
from oodinv.training.loop import Listener, TrainingResult
from tasks.training_artifacts import TrainingArtifacts


@task(name="train-network", task_run_name="train {job.kind}", cache_policy=NO_CACHE, persist_result=False)
def train_network(job: TrainingJob, *, workers: int = 1, curves: bool = True) -> TrainingResult:
    """Run or resume a training, shown in the UI while it goes on.

    Args:
        job: What to train.
        workers: More than one share every batch.
        curves: Write event files for TensorBoard.
    """
    artifacts = TrainingArtifacts(job.kind)
    board = tensorboard(Path(job.out) / "tensorboard", step=last_step(job.out)) if curves else None
    listeners: Sequence[Listener] = [artifacts] if board is None else [artifacts, board]
    try:
        if workers == 1:
            return run_job(job, listeners)
        from oodinv.cluster.train import train_on_cluster

        return train_on_cluster(job, workers=workers, listeners=listeners)
    finally:
        artifacts.close()
        if board is not None:
            board.close()
