import json
import os

import numpy as np
from PIL import Image

from oodinv.training.following import Follower, following
from oodinv.training.journal import Journal


class Heard:
    def __init__(self):
        self.lines, self.sheets = [], []

    def scalars(self, step, values):
        self.lines.append((step, values))

    def sheet(self, step, picture):
        self.sheets.append((step, picture.shape, picture.dtype.name))


def say(folder, step, end="\n"):
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "time": 1.5, "loss": step / 2}) + end)


def draw(folder, step):
    (folder / "grids").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "grids" / f"{step:08d}.png")


def test_what_was_there_before_is_not_told_again(tmp_path):
    say(tmp_path, 5)
    draw(tmp_path, 5)
    heard = Heard()
    follower = Follower(tmp_path, [heard])
    follower.look()
    assert heard.lines == [] and heard.sheets == []
    say(tmp_path, 10)
    draw(tmp_path, 8)
    draw(tmp_path, 10)
    for _ in range(2):
        follower.look()
    assert heard.lines == [(10, {"loss": 5.0})] and heard.sheets == [(10, (4, 6, 3), "uint8")]


def test_steps_after_the_checkpoint_are_told_again_when_a_killed_run_goes_on(tmp_path):
    (tmp_path / "checkpoints" / "step-00000004").mkdir(parents=True)
    for step in (2, 4, 6, 8):
        say(tmp_path, step)
    draw(tmp_path, 8)
    heard = Heard()
    follower = Follower(tmp_path, [heard])
    follower.look()
    assert heard.lines == [] and heard.sheets == []  # of the killed run
    Journal(tmp_path / "log.jsonl").keep_until(4)
    follower.look()
    assert heard.lines == []
    for step in (6, 8, 10):
        say(tmp_path, step)
    draw(tmp_path, 8)
    os.utime(tmp_path / "grids" / "00000008.png", (9e8, 9e8))
    follower.look()
    assert [step for step, _ in heard.lines] == [6, 8, 10] and [step for step, *_ in heard.sheets] == [8]


def test_a_log_that_cannot_be_read_is_warned_of_once_and_following_goes_on(tmp_path, caplog):
    heard = Heard()
    with following(tmp_path, [heard]):
        (tmp_path / "log.jsonl").write_text("no json\n")
        Follower(tmp_path, [heard]).look()
    follower = Follower(tmp_path, [heard])
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write("[1]x\n")
    follower.look()
    say(tmp_path, 7)
    follower.look()
    assert heard.lines == [(7, {"loss": 3.5})] and caplog.text.count("cannot be followed") == 2


def test_a_half_written_line_is_told_when_it_is_whole(tmp_path):
    heard = Heard()
    follower = Follower(tmp_path, [heard])
    say(tmp_path, 1, end="")
    follower.look()
    assert heard.lines == []
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write("\n")
    follower.look()
    assert heard.lines == [(1, {"loss": 0.5})]


def test_the_end_is_told_before_it_is_over(tmp_path):
    heard = Heard()
    with following(tmp_path, [heard]):
        say(tmp_path, 3)
    assert heard.lines == [(3, {"loss": 1.5})]
