import builtins
import sys

import numpy as np
import pytest

from oodinv.report.tensorboard import tensorboard


def test_where_it_is_not_installed_a_line_says_so_and_nothing_stops(tmp_path, monkeypatch, caplog):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError("No module named 'tensorboard'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert tensorboard(tmp_path) is None
    assert "TensorBoard is not installed" in caplog.text and "pip install 'oodinv[train]'" in caplog.text


def test_curves_and_pictures_are_read_back_as_they_were_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = tensorboard(tmp_path)
    for step in (10, 20):
        board.scalars(step, {"loss": step / 4})
    board.sheet(10, np.zeros((8, 12, 3), np.uint8))
    board.close()
    # Another process goes on from step 10: the point after it is replaced.
    board = tensorboard(tmp_path, step=10)
    board.scalars(20, {"loss": 1.0})
    board.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(10, 2.5), (20, 1.0)]
    assert [(image.step, image.width, image.height) for image in read.Images("samples")] == [(10, 12, 8)]


def test_points_of_a_run_killed_before_its_first_checkpoint_are_replaced(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for values in ((1.0, 2.0, 3.0), (7.0,)):
        board = tensorboard(tmp_path)
        for step, value in enumerate(values, start=1):
            board.scalars(10 * step, {"loss": value})
        board.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(10, 7.0)]


def test_nothing_is_written_before_there_is_something_to_write(tmp_path):
    pytest.importorskip("tensorboard")
    tensorboard(tmp_path / "curves").close()
    assert not (tmp_path / "curves").exists()
