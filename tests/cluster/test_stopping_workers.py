"""What a training by several workers does with a wish to stop, and with devices; no worker is started."""

import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from oodinv.cluster import train as cluster_train
from oodinv.cluster.pulse import ClusterLost
from oodinv.cluster.train import _passed_on, train_on_cluster
from oodinv.training.errors import TrainingError
from oodinv.training.job import TrainingJob
from oodinv.training.stopping import StopFile, StopWish


class WorkerDied(Exception):
    worker_failures = {0: RuntimeError("killed")}  # noqa: RUF012


@pytest.fixture
def job(tmp_path):
    return TrainingJob(kind="generator", config=None, data=(tmp_path,), out=tmp_path / "out", device="cpu")


@pytest.fixture
def wish(monkeypatch):
    wish = StopWish()

    @contextmanager
    def on_signals():
        yield wish

    monkeypatch.setattr(cluster_train, "stop_on_signals", on_signals)
    monkeypatch.setattr(cluster_train, "ray_session", lambda processors: nullcontext(SimpleNamespace(gpus=2.0)))
    monkeypatch.setattr(cluster_train, "_check_installed", lambda: None)
    return wish


def test_a_worker_that_begins_after_the_signal_stops_too(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_train, "_LOOK_S", 0.02)
    wish = StopWish()
    wish.ask()
    with _passed_on(wish, tmp_path):
        end = time.monotonic() + 10
        while not (tmp_path / "stop").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.1)
        late = StopFile()
        while not late(tmp_path):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_workers_that_die_after_a_wish_to_stop_are_not_started_again(job, wish, monkeypatch):
    fits = []

    def fit(*args):
        fits.append(args)
        wish.ask()
        raise WorkerDied

    monkeypatch.setattr(cluster_train, "_fit", fit)
    with pytest.raises(ClusterLost, match="died while it was asked to stop"):
        train_on_cluster(job, workers=2)
    assert len(fits) == 1


def test_without_a_wish_workers_that_die_are_started_again_twice(job, wish, monkeypatch):
    fits = []

    def fit(*args):
        fits.append(args)
        raise WorkerDied

    monkeypatch.setattr(cluster_train, "_fit", fit)
    with pytest.raises(ClusterLost, match="died 3 times"):
        train_on_cluster(job, workers=2)
    assert len(fits) == 3


@pytest.mark.parametrize(
    ("asked", "workers", "got"), [("auto", 2, "cuda"), ("auto", 3, "cpu"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda")]
)
def test_one_device_is_chosen_for_all_workers(job, wish, monkeypatch, asked, workers, got):
    class Enough(Exception):
        pass

    def fit(job, workers):
        assert job.device == got
        raise Enough

    monkeypatch.setattr(cluster_train, "_fit", fit)
    monkeypatch.setattr(cluster_train, "_known_cause", lambda error: error)
    with pytest.raises(Enough):
        train_on_cluster(replace(job, device=asked), workers=workers)


def test_more_workers_than_gpus_are_refused_on_gpus(job, wish):
    with pytest.raises(TrainingError, match="3 workers need a GPU each, and there are 2"):
        train_on_cluster(replace(job, device="cuda"), workers=3)
