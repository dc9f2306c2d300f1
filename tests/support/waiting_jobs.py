"""Jobs that wait on a Ray cluster until they may go on. Run as `python -m waiting_jobs FOLDER COUNT`: prints JSON."""

import json
import os
import sys
import time
from dataclasses import dataclass, field, replace

import ray
import ray.cloudpickle

from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.pool import Patience, Pool
from oodinv.cluster.session import ray_session

# Actors cannot import this module: its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Job:
    """Of one sample."""

    role = "all"
    shard_id: str
    quarantine: frozenset[str] = field(default_factory=frozenset)
    careful: bool = False
    num_samples: int = 1

    def without(self, sample_id: str) -> "Job":
        return replace(self, quarantine=self.quarantine | {sample_id})

    def then(self) -> None:
        return None

    def with_care(self) -> "Job":
        return replace(self, careful=True)


class Waits:
    """Says that it is at work by a file named after job and node, and waits for a file called `go`."""

    def __init__(self, folder: str):
        self._folder = folder

    def run(self, job, on_sample):
        on_sample("a sample")
        here = ray.get_runtime_context().get_node_id()
        open(os.path.join(self._folder, f"{job.shard_id}@{here}"), "w").close()
        while not os.path.exists(os.path.join(self._folder, "go")):
            time.sleep(0.05)
        return job.careful


def main(folder: str, count: int) -> None:
    """As many actors as jobs, one attempt for each job."""
    with ray_session(count):
        pool = Pool([CrewSettings(make_worker=lambda: Waits(folder), most=count)], Patience(max_attempts=1))
        try:
            done = list(pool.run([Job(f"s{number}") for number in range(count)]))
        finally:
            pool.close()
        told = {
            each.job.shard_id: [each.receipts[0] if each.receipts else None, each.attempts, each.error] for each in done
        }
        print(json.dumps({"done": told, "replaced": pool.replaced}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
