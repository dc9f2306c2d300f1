"""A training by several workers: the same loop in each, their gradients averaged (Ray Train)."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from oodinv.cluster.pulse import ClusterLost
from oodinv.cluster.session import ray_session
from oodinv.errors import describe
from oodinv.training import parallel
from oodinv.training.atomic import write_whole
from oodinv.training.errors import TrainingError
from oodinv.training.following import following
from oodinv.training.job import TrainingJob, run_job
from oodinv.training.loop import Listener, TrainingResult
from oodinv.training.stopping import STOP, StopWish, stop_on_signals

logger = logging.getLogger(__name__)

_RESULT = "result.json"
_RESTARTS = 2
_LOOK_S = 0.5


def train_on_cluster(job: TrainingJob, *, workers: int, listeners: Sequence[Listener] = ()) -> TrainingResult:
    """Run or resume a training with several workers, on this machine or on the cluster of `RAY_ADDRESS`.

    The batch is shared among them. All see the same folders: on a cluster these lie on storage that all nodes mount.
    When a worker dies, all are started again, twice at most, and go on from the last checkpoint.

    Args:
        job: What to train; on device cuda each worker has a GPU, on cpu a processor, and auto is cuda where there are
            GPUs for all.
        workers: Processes.
        listeners: Are told in this process what the workers log and show.

    Raises:
        ClusterLost: Workers died again and again.
        TrainingError: Ray Train is not installed, or there are not GPUs for all.
        Exception: See `run_job`.
    """
    _check_installed()
    job = replace(job, out=job.out.absolute(), data=tuple(path.absolute() for path in job.data))
    job = replace(job, cache=None if job.cache is None else job.cache.absolute())
    job = replace(job, inputs={name: _whole(path) for name, path in job.inputs.items()})
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / _RESULT).unlink(missing_ok=True)
    # One processor more: Ray Train's controller takes part of one.
    with (
        ray_session(workers + 1) as cluster,
        stop_on_signals() as wish,
        _passed_on(wish, job.out),
        following(job.out, listeners),
    ):
        job = replace(job, device=_device(job.device, workers, cluster.gpus))
        for attempt in range(1 + _RESTARTS):
            if wish.asked and attempt:
                raise ClusterLost(
                    f"a worker of the training in {job.out} died while it was asked to stop; the last state is in its "
                    "checkpoints, and the same command goes on from there"
                )
            try:
                _fit(job, workers)
                break
            except Exception as error:
                known = _known_cause(error)
                if known is not None:
                    raise known from error
                if attempt == _RESTARTS or not hasattr(error, "worker_failures"):
                    raise ClusterLost(
                        f"the workers of the training in {job.out} died {attempt + 1} times; the last state is in its "
                        f"checkpoints, and the same command goes on from there. Ray said: {str(error)[-600:]}"
                    ) from error
                logger.warning("a worker died; the training goes on from its last checkpoint: %s", str(error)[-300:])
    told = json.loads((job.out / _RESULT).read_text())
    return TrainingResult(**told | {"checkpoint": Path(told["checkpoint"])})


def _device(asked: str, workers: int, gpus: float) -> str:
    """One device for all, chosen here: a worker that chose for itself would see the GPUs of others, or none."""
    if asked == "auto":
        device = "cuda" if gpus >= workers else "cpu"
        logger.info("%d workers and %g GPUs: training on %s", workers, gpus, device)
        return device
    if asked == "cuda" and gpus < workers:
        raise TrainingError(
            f"{workers} workers need a GPU each, and there are {gpus:g}: ask for as many workers, or for device cpu"
        )
    return asked


def _whole(path: Path) -> Path:
    """Workers have another working directory; what is not there is told as it was given."""
    return path.absolute() if path.exists() else path


def _check_installed() -> None:
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    try:
        import ray.train.torch  # noqa: F401
    except ImportError as error:
        raise TrainingError(
            "several workers need Ray Train: pip install 'oodinv[train]'; or train with one worker"
        ) from error


def _fit(job: TrainingJob, workers: int) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = job.device == "cuda"
    TorchTrainer(
        _work,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=RunConfig(
            name="ray", storage_path=str(job.out / "ray"), failure_config=FailureConfig(max_failures=0)
        ),
    ).fit()


def _work(config: dict[str, Any]) -> None:
    """What every worker does."""
    import torch

    job: TrainingJob = config["job"]
    if job.device == "cpu":
        # Each worker has one processor: threads of many workers would be in each other's way.
        torch.set_num_threads(1)
    result = run_job(replace(job, options=replace(job.options, progress=False)))
    if parallel.rank() == 0:
        write_whole(job.out / _RESULT, json.dumps(asdict(result) | {"checkpoint": str(result.checkpoint)}).encode())


@contextmanager
def _passed_on(wish: StopWish, folder: Path) -> Iterator[None]:
    """A signal to this process stops the workers, also those that are still starting."""
    end = Event()

    def watch() -> None:
        while not end.wait(_LOOK_S):
            if wish.asked:
                # Again and again: to a worker that begins later, a file from before it begins means nothing.
                (folder / STOP).touch()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _known_cause(error: Exception) -> Exception | None:
    """The error of ours that a worker ended with."""
    for failure in getattr(error, "worker_failures", {}).values():
        cause = getattr(failure, "_base_exc", failure)
        if isinstance(cause, Exception) and describe(cause) is not None:
            return cause
    return None
