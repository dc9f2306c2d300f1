import json
import os
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image
from toy_trainer import ToyTrainer

from oodinv.training import checkpoint
from oodinv.training.errors import CheckpointError, DiskFull, FolderInUse, TrainingDiverged, TrainingError
from oodinv.training.loop import LoopOptions, run_training


class Killed(Exception):
    pass


class Heard:
    def __init__(self):
        self.lines, self.sheets = [], []

    def scalars(self, step, values):
        self.lines.append((step, dict(values)))

    def sheet(self, step, picture):
        self.sheets.append((step, picture.shape))


def train(folder, trainer=None, *, steps=24, listeners=(), **options):
    trainer = trainer or ToyTrainer()
    chosen = {"save_every": 6, "log_every": 4, "grid_every": 10, "progress": False} | options
    return run_training(
        trainer, steps=steps, folder=folder, options=LoopOptions(**chosen), listeners=listeners
    ), trainer


def lines(folder):
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "steps_per_s")} for line in found]


def interrupted(folder, at, *, error=Killed, **options):
    def stop(step):
        if step == at:
            raise error

    with pytest.raises(error):
        train(folder, ToyTrainer(at_step=stop), **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    result, trainer = train(folder)
    assert result.finished and result.step == 24
    return folder, trainer


@pytest.mark.parametrize("at", [3, 6, 11, 17, 23])
def test_a_run_that_breaks_off_anywhere_ends_as_an_undisturbed_one(tmp_path, undisturbed, at):
    interrupted(tmp_path, at)
    result, trainer = train(tmp_path)
    assert result.first_step == trainer.seen[0] == at // 6 * 6
    assert torch.equal(trainer.layer.weight, undisturbed[1].layer.weight)
    assert torch.equal(trainer.layer.bias, undisturbed[1].layer.bias)
    assert lines(tmp_path) == lines(undisturbed[0])


def test_a_log_line_is_the_mean_since_the_last_one(undisturbed):
    found = lines(undisturbed[0])
    assert [line["step"] for line in found] == [4, 8, 12, 16, 20, 24]
    assert [line["rare"] for line in found] == [0, 4, 8, 12, 16, 20]


def test_half_a_line_at_the_end_of_the_log_goes(tmp_path):
    interrupted(tmp_path, 9)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "los')
    train(tmp_path)
    assert [line["step"] for line in lines(tmp_path)] == [4, 8, 12, 16, 20, 24]


def test_a_finished_training_is_not_trained_again_and_can_be_lengthened(tmp_path, undisturbed):
    train(tmp_path, steps=12)
    again, trainer = train(tmp_path, steps=12)
    assert again.finished and trainer.seen == []
    _, trainer = train(tmp_path, steps=24)
    assert trainer.seen == list(range(12, 24))
    assert torch.equal(trainer.layer.weight, undisturbed[1].layer.weight)


def test_grids_are_pictures_of_all_rows(undisturbed):
    folder = undisturbed[0] / "grids"
    assert sorted(path.name for path in folder.iterdir()) == ["00000010.png", "00000020.png", "00000024.png"]
    pixels = np.asarray(Image.open(folder / "00000010.png"))
    assert pixels.shape == (16, 32, 3)
    assert (pixels[:8] == 191).all() and (pixels[8:, :16] == 255).all() and (pixels[8:, 16:] == 0).all()


def test_listeners_hear_what_is_logged_and_shown(tmp_path):
    heard = Heard()
    train(tmp_path, steps=10, listeners=[heard])
    assert [step for step, _ in heard.lines] == [4, 8, 10] and heard.sheets == [(10, (16, 32, 3))]
    assert heard.lines[0][1]["loss"] == lines(tmp_path)[0]["loss"]


def test_the_last_steps_and_the_end_are_told_too(tmp_path):
    heard, whole = Heard(), Heard()
    train(tmp_path / "short", steps=7, log_every=5, listeners=[heard])
    assert [(step, values["done"]) for step, values in heard.lines] == [(5, 5 / 7), (7, 1.0)]
    assert [(line["step"], line.get("partial")) for line in lines(tmp_path / "short")] == [(5, None), (7, True)]
    before = lines(tmp_path / "short")
    train(tmp_path / "short", steps=7, log_every=5)  # nothing left to do
    assert lines(tmp_path / "short") == before
    # Lengthened, its lines are those of a run that was long from the start.
    train(tmp_path / "short", steps=13, log_every=5)
    train(tmp_path / "long", steps=13, log_every=5, listeners=[whole])
    found, expected = (
        [{k: v for k, v in line.items() if k != "done"} for line in lines(tmp_path / name)]
        for name in ("short", "long")
    )
    assert found == expected and [step for step, _ in whole.lines] == [5, 10, 13]


def test_a_training_shorter_than_a_line_is_told(tmp_path):
    heard = Heard()
    train(tmp_path, steps=3, log_every=50, listeners=[heard])
    assert [(step, values["done"]) for step, values in heard.lines] == [(3, 1.0)]


def test_a_loss_that_is_no_number_stops_and_names_the_last_good_state(tmp_path):
    with pytest.raises(
        TrainingDiverged, match=r"diverged at step 14.*loss nan.*step-00000012\. Run again with a lower"
    ):
        train(tmp_path, ToyTrainer(nan_at=14))
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000006", "step-00000012"]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    with pytest.raises(TrainingDiverged, match="the state /trainer/layer/weight"):
        train(tmp_path, ToyTrainer(poisoned_at=11))
    assert train(tmp_path, steps=6)[0].checkpoint.name == "step-00000006"


def test_a_loss_that_is_no_number_before_the_first_save_says_so(tmp_path):
    with pytest.raises(TrainingDiverged, match="no state was saved before"):
        train(tmp_path, ToyTrainer(nan_at=0))


def test_a_full_disk_stops_with_the_last_state_in_place(tmp_path, monkeypatch):
    write = checkpoint._write_synced

    def full(path, data):
        if "00000012" in str(path):
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(checkpoint, "_write_synced", full)
    with pytest.raises(
        DiskFull, match=r"no room for a checkpoint.*after 12 steps.*step-00000006 stays.*Free some space"
    ):
        train(tmp_path)
    monkeypatch.undo()
    result, _ = train(tmp_path)
    assert result.first_step == 6 and result.finished


def test_what_was_learned_is_written_before_anybody_else_may_train_in_the_folder(tmp_path):
    def write(folder):
        with pytest.raises(FolderInUse):
            train(folder, steps=3)
        (folder / "weights").write_text("learned")

    quiet = LoopOptions(progress=False)
    assert run_training(ToyTrainer(), steps=3, folder=tmp_path, options=quiet, write=write).finished
    assert (tmp_path / "weights").read_text() == "learned"
    stopped = ToyTrainer(at_step=lambda step: os.kill(os.getpid(), signal.SIGTERM))
    run_training(stopped, steps=3, folder=tmp_path / "other", options=quiet, write=lambda folder: pytest.fail("early"))


def test_a_disk_without_room_for_what_was_learned_keeps_the_last_state(tmp_path):
    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFull, match=r"no room for what was learned.*after 3 steps; the state of .*step-00000003"):
        run_training(ToyTrainer(), steps=3, folder=tmp_path, options=LoopOptions(progress=False), write=full)


def test_a_listener_that_cannot_write_is_warned_of_once_and_ends_nothing(tmp_path, caplog):
    class Full(Heard):
        def scalars(self, step, values):
            raise OSError(28, "No space left on device")

    full, heard = Full(), Heard()
    assert train(tmp_path, listeners=[full, heard])[0].finished
    assert len(heard.lines) == 6 and len(full.sheets) == 3
    assert caplog.text.count("Full misses parts of this training, which goes on") == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="choose a folder that can be written"):
        train(tmp_path / "file" / "out")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops_and_the_handler_is_put_back(tmp_path, undisturbed, number):
    before = signal.getsignal(number)

    def ask(step):
        if step == 8:
            os.kill(os.getpid(), number)

    result, _ = train(tmp_path, ToyTrainer(at_step=ask))
    assert (result.outcome, result.step, result.checkpoint.name) == ("asked to stop", 9, "step-00000009")
    assert signal.getsignal(number) is before
    _, trainer = train(tmp_path)
    assert trainer.seen[0] == 9 and torch.equal(trainer.layer.weight, undisturbed[1].layer.weight)
    assert lines(tmp_path) == lines(undisturbed[0])


def test_a_time_budget_saves_and_stops(tmp_path):
    result, _ = train(tmp_path, ToyTrainer(at_step=lambda step: time.sleep(0.02)), steps=10_000, seconds=0.3)
    assert result.outcome == "out of time" and 2 <= result.step < 16
    assert result.checkpoint.name == f"step-{result.step:08d}"


def test_two_trainings_do_not_share_a_folder(tmp_path):
    def second(step):
        if step == 1:
            train(tmp_path)

    with pytest.raises(FolderInUse, match="another process trains in"):
        train(tmp_path, ToyTrainer(at_step=second))


def test_a_checkpoint_of_another_configuration_stops_before_the_first_step(tmp_path):
    train(tmp_path, steps=6)
    other = ToyTrainer(rate=0.5)
    with pytest.raises(CheckpointError, match=r"rate: expected 0\.5, found 0\.1"):
        train(tmp_path, other)
    assert other.seen == []
    assert [line["step"] for line in lines(tmp_path)] == [4, 6]


def test_a_state_that_does_not_fit_is_told_with_what_to_do(tmp_path):
    train(tmp_path, steps=6)
    other = ToyTrainer()
    other.layer = torch.nn.Linear(4, 1)
    with pytest.raises(CheckpointError, match=r"step-00000006 does not fit .*size mismatch.*choose another folder"):
        train(tmp_path, other)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(TrainingError, match="save_every must be at least 1, got 0"):
        LoopOptions(save_every=0)
    with pytest.raises(TrainingError, match="seconds must be above 0"):
        LoopOptions(seconds=-1.0)


def test_a_file_called_stop_stops_too_and_an_old_one_does_not(tmp_path):
    (tmp_path / "stop").touch()
    os.utime(tmp_path / "stop", (1.0, 1.0))
    assert train(tmp_path, steps=2)[0].finished

    def ask(step):
        if step == 4:
            (tmp_path / "stop").touch()
            os.utime(tmp_path / "stop", (time.time() + 1, time.time() + 1))
        time.sleep(0.1)

    result, _ = train(tmp_path, ToyTrainer(at_step=ask), steps=200)
    assert result.outcome == "asked to stop" and 5 <= result.step < 30
    assert result.checkpoint.name == f"step-{result.step:08d}"
