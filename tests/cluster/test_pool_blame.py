"""Whom the pool blames when a worker fails after its last sample: nobody."""

import os
import sys
from dataclasses import dataclass, field, replace

import pytest
import ray.cloudpickle

from oodinv.cluster.crew import CrewSettings
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


class FailsAtPublishing:
    """Goes through its samples and then fails; `says_so`: after a word that no sample is under way."""

    def __init__(self, says_so):
        self._says_so = says_so

    def run(self, job, on_sample):
        for sample in job.samples:
            on_sample(sample)
        if self._says_so:
            on_sample(None)
        raise RuntimeError("rows are not valid")


@pytest.fixture(scope="module")
def cluster():
    with ray_session(1):
        yield


@pytest.mark.parametrize(("says_so", "blamed"), [(True, frozenset()), (False, frozenset({"b"}))])
def test_a_shard_that_cannot_be_published_is_given_up(cluster, says_so, blamed):
    pool = Pool([CrewSettings(make_worker=lambda: FailsAtPublishing(says_so), most=1)], Patience(max_attempts=2))
    try:
        (done,) = pool.run([Job("s0", ("a", "b"))])
    finally:
        pool.close()
    assert done.receipts == () and "rows are not valid" in done.error
    assert done.job.quarantine == blamed  # and no sample is put there twice, which would never end


@dataclass(frozen=True)
class CarefulJob(Job):
    one_by_one: bool = False

    def then(self):
        return None

    def with_care(self):
        return replace(self, one_by_one=True)


class WorksInBatches:
    """Takes all samples at once, or one by one; a poisoned one kills the process either way."""

    def run(self, job, on_sample):
        samples = [sample for sample in job.samples if sample not in job.quarantine]
        for batch in [[sample] for sample in samples] if job.one_by_one else [samples]:
            on_sample(batch[0] if len(batch) == 1 else None)
            if any("poison" in sample for sample in batch):
                os._exit(9)
        return samples, job.one_by_one


def test_a_death_in_a_batch_costs_one_attempt_more_and_no_innocent_sample(cluster):
    pool = Pool([CrewSettings(make_worker=WorksInBatches, most=1)])
    try:
        jobs = [CarefulJob("s0", ("a", "poison-1", "b", "poison-2", "c")), CarefulJob("s1", ("d", "e"))]
        done = {each.job.shard_id: each for each in pool.run(jobs)}
    finally:
        pool.close()
    assert done["s0"].job.quarantine == {"poison-1", "poison-2"}
    assert done["s0"].receipts == ((["a", "b", "c"], True),)
    assert done["s1"].receipts == ((["d", "e"], False),)
    assert pool.replaced == 1 + 2 + 2  # once nobody was to blame; then twice for each of the two
