"""Train a network, or go on with a training that was stopped."""

from pathlib import Path

from prefect import flow

from flows.read_config import configured
from flows.train_request import TrainRequest
from oodinv.training.job import TrainingJob
from oodinv.training.loop import LoopOptions, TrainingResult
from oodinv.training.recipes import recipe
from tasks.run_logs import library_logs_in_run
from tasks.train_network import train_network


@flow(name="train", flow_run_name="train {request.kind} {request.out}", persist_result=False)
def train(request: TrainRequest) -> TrainingResult:
    """Train a generator, encoder, decomposition, directions or regressor.

    Running it again continues: after a time budget, a signal or a kill, from the last checkpoint, and to the same
    weights that an undisturbed run gives.

    Raises:
        TrainingStopped: A signal or a file called `stop` ended it early.
    """
    with library_logs_in_run():
        result = train_network(training_job(request), workers=request.workers, curves=request.tensorboard)
        if result.outcome == "asked to stop":
            result.check_finished()
        return result


def training_job(request: TrainRequest) -> TrainingJob:
    """The job that a request asks for.

    Raises:
        RequestError: A setting is unknown or out of range.
        TrainingError: There is no such training, or an input that it does not take.
    """
    recipe(request.kind).check_inputs(request.inputs)
    return TrainingJob(
        kind=request.kind,
        config=configured(recipe(request.kind).config, request.settings),
        data=tuple(Path(folder) for folder in request.data),
        out=Path(request.out),
        inputs={name: Path(folder) for name, folder in request.inputs.items()},
        device=request.device,
        cache=None if request.cache is None else Path(request.cache),
        options=LoopOptions(
            save_every=request.save_every,
            log_every=request.log_every,
            grid_every=request.grid_every,
            seconds=request.seconds,
        ),
    )


def told(result: TrainingResult, out: str) -> str:
    """What a training came to, for the terminal."""
    rate = (result.step - result.first_step) / max(result.seconds, 1e-9)
    text = f"{out}: {result.step} of {result.steps} steps in {result.seconds:.0f} s here ({rate:.2f} steps/s)"
    return text if result.finished else f"{text}; time is up, the same command goes on from {result.checkpoint.name}"
