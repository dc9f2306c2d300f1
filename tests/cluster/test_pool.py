import os
import sys
import time
from dataclasses import dataclass, field, replace

import pytest
import ray.cloudpickle

from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.job import Fatal
from oodinv.cluster.pool import Patience, Pool
from oodinv.cluster.session import ray_session

# Actors cannot import a test module: its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Job:
    role = "all"
    shard_id: str
    samples: tuple[str, ...]
    quarantine: frozenset[str] = field(default_factory=frozenset)

    @property
    def num_samples(self):
        return len(self.samples)

    def without(self, sample_id):
        return replace(self, quarantine=self.quarantine | {sample_id})

    def then(self):
        return None

    def with_care(self):
        return self


class Worker:
    """Dies, hangs or raises where the sample's name says so; `once` files make a fault happen a single time."""

    def __init__(self, folder):
        self._folder = folder

    def run(self, job, on_sample):
        for sample in job.samples:
            on_sample(sample)
            if sample in job.quarantine:
                continue
            kind = sample.split("-")[0]
            if kind == "once":
                path = os.path.join(self._folder, sample)
                if not os.path.exists(path):
                    open(path, "w").close()
                    os._exit(9)
            elif kind == "poison":
                os._exit(9)
            elif kind == "hang":
                time.sleep(600)
            elif kind == "raise":
                raise RuntimeError("broken worker")
            elif kind == "full":
                raise Fatal("disk full: free some space")
        return (job.shard_id, len(job.samples), sorted(job.quarantine))


@pytest.fixture(scope="module")
def cluster():
    with ray_session(2):
        yield


def run(folder, jobs, **settings):
    path = str(folder)
    pool = Pool([CrewSettings(make_worker=lambda: Worker(path), most=2)], Patience(**settings))
    try:
        return {done.job.shard_id: done for done in pool.run(jobs)}, pool.replaced
    finally:
        pool.close()


def test_every_job_ends_once_and_nothing_is_replaced(cluster, tmp_path):
    jobs = [Job(f"s{n}", (f"a-{n}", f"b-{n}")) for n in range(7)]
    done, replaced = run(tmp_path, jobs)
    assert {name: d.receipts[0] for name, d in done.items()} == {f"s{n}": (f"s{n}", 2, []) for n in range(7)}
    assert replaced == 0


def test_a_dead_actor_is_replaced_and_its_job_done_again(cluster, tmp_path):
    done, replaced = run(tmp_path, [Job("s0", ("a", "once-1", "b")), Job("s1", ("c",))])
    assert done["s0"].receipts == (("s0", 3, []),) and done["s0"].attempts == 2
    assert done["s1"].receipts == (("s1", 1, []),)
    assert replaced == 1


def test_a_sample_that_kills_twice_is_quarantined_and_the_others_are_done(cluster, tmp_path):
    done, _ = run(tmp_path, [Job("s0", ("a", "poison-1", "b", "poison-2"))])
    assert done["s0"].receipts == (("s0", 4, ["poison-1", "poison-2"]),)


def test_a_hanging_sample_meets_its_deadline(cluster, tmp_path):
    done, _ = run(tmp_path, [Job("s0", ("a", "hang-1"))], sample_deadline_s=6.0)
    assert done["s0"].receipts == (("s0", 2, ["hang-1"]),)


def test_a_job_that_fails_before_any_sample_is_given_up_after_its_attempts(cluster, tmp_path):
    def broken():
        raise OSError("no such bundle")

    pool = Pool([CrewSettings(make_worker=broken, most=1)], Patience(max_attempts=2))
    (done,) = pool.run([Job("s0", ("a",))])
    pool.close()
    assert done.receipts == () and done.attempts == 2
    assert "no such bundle" in done.error


def test_a_fatal_error_stops_the_run_with_its_own_words(cluster, tmp_path):
    with pytest.raises(Fatal, match="free some space"):
        run(tmp_path, [Job("s0", ("full-1",))])
