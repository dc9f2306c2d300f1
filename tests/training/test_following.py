import json

import numpy as np
from PIL import Image

from oodinv.training.following import Follower, following


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
