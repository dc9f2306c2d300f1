"""Whom the pool blames when a worker fails after its last sample: nobody."""

import sys
from dataclasses import dataclass, field, replace

import pytest
import ray.cloudpickle

from oodinv.cluster.pool import Pool, PoolSettings
from oodinv.cluster.session import ray_session

# Actors cannot import a test module: its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Job:
    shard_id: str
    samples: tuple[str, ...]
    quarantine: frozenset[str] = field(default_factory=frozenset)

    def without(self, sample_id):
        return replace(self, quarantine=self.quarantine | {sample_id})


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
    pool = Pool(lambda: FailsAtPublishing(says_so), PoolSettings(size=1, max_attempts=2))
    try:
        (done,) = pool.run([Job("s0", ("a", "b"))])
    finally:
        pool.close()
    assert done.receipt is None and "rows are not valid" in done.error
    assert done.job.quarantine == blamed  # and no sample is put there twice, which would never end
