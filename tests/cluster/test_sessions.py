import os
import sys
import threading
import time
from dataclasses import dataclass

import pytest
import ray
import ray.cloudpickle
from processes import descendants, kill_child, listening

from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.job import Fatal
from oodinv.cluster.pool import Patience, Pool
from oodinv.cluster.pulse import ClusterLost
from oodinv.cluster.session import ClusterUnavailable, cluster_address, ray_session

# Actors cannot import a test module: its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Nap:
    role = "all"
    shard_id: str
    seconds: float
    num_samples: int = 1
    quarantine: frozenset[str] = frozenset()

    def without(self, sample_id):
        raise AssertionError("nobody is to blame")

    def then(self):
        return None

    def with_care(self):
        return self


class Napper:
    def run(self, job, on_sample):
        on_sample("s")
        time.sleep(job.seconds)
        return job.shard_id


def kill_soon(process, seconds=2.0):
    """SIGKILL one of the processes of this test's own Ray."""

    def kill():
        time.sleep(seconds)
        kill_child(os.getpid(), process)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize("process", ["raylet", "gcs_server"])
def test_a_lost_ray_is_told_in_time_and_the_work_goes_on_with_a_new_one(process):
    done = []
    with ray_session(1):
        pool = Pool([CrewSettings(make_worker=Napper, most=1)])
        thread = kill_soon(process)
        begin = time.monotonic()
        with pytest.raises(ClusterLost):
            done += [d.receipts[0] for d in pool.run([Nap("short", 0.1), Nap("long", 300.0)])]
        thread.join()
        # Before Ray ends this very process, which it does after 60 s without its head.
        assert time.monotonic() - begin < 45
        pool.close()
    with ray_session(1):
        pool = Pool([CrewSettings(make_worker=Napper, most=1)])
        assert [d.receipts[0] for d in pool.run([Nap("again", 0.1)])] == ["again"]
        pool.close()


def test_an_actor_without_a_place_ends_the_run_with_what_to_do():
    with ray_session(1):
        pool = Pool([CrewSettings(make_worker=Napper, most=1, num_gpus=4.0)], Patience(start_deadline_s=1.0))
        with pytest.raises(Fatal, match=r"no room for an actor of 1 CPUs and 4 GPUs within 1 s. Add nodes, or ask"):
            list(pool.run([Nap("a", 0.1)]))
        pool.close()


@pytest.mark.parametrize(("address", "expected"), [("", None), ("local", None), (" head:6379 ", "head:6379")])
def test_the_environment_names_the_cluster(monkeypatch, address, expected):
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert cluster_address() == expected


def test_a_ray_client_address_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ClusterUnavailable, match="must be host:port of the cluster's head, got 'ray://head:10001'"):
        cluster_address()


def test_a_cluster_that_is_not_there_is_refused_with_what_to_check(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr("oodinv.cluster.session._JOIN_S", 3.0)
    begin = time.monotonic()
    with pytest.raises(
        ClusterUnavailable, match=r"could not join the Ray cluster at 127.0.0.1:9 .* Check that the head"
    ):
        with ray_session(1):
            raise AssertionError("joined nothing")
    assert time.monotonic() - begin < 30


def test_a_private_ray_listens_on_loopback_only_and_asks_for_a_token():
    with ray_session(1):
        pool = Pool([CrewSettings(make_worker=Napper, most=1)])
        assert [d.receipts[0] for d in pool.run([Nap("a", 0.0)])] == ["a"]
        assert listening(descendants(os.getpid())) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
        assert listening(descendants(os.getpid()))
        assert os.environ["RAY_AUTH_MODE"] == "token" and len(os.environ["RAY_AUTH_TOKEN"]) == 64
        pool.close()
