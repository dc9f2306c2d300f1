"""A driver for tests that torment it: the real pool, engine and ledger around a model that sleeps.

Run as `python -m fault_driver SOURCE TARGET SHARD_SIZE`: prints JSON. A photo whose first pixel is white kills the
process that detects its face.
"""

import json
import os
import sys

import numpy as np

from benchmarks.stub import StubDetector, StubWorker, stub_settings
from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.pool import Patience, Pool
from oodinv.cluster.session import ray_session
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.ledger import missing_work, plan_inventory, publish_snapshot, register_product
from oodinv.store import Access, open_source, open_store

PATIENCE = Patience(sample_deadline_s=6.0)


class DiesOfWhite(StubDetector):
    """And is slow enough to be met at work."""

    def detect(self, photo: np.ndarray):
        if (photo[0, 0] > 250).all():
            os._exit(9)
        return super().detect(photo)


class Mortal(StubWorker):
    def __init__(self, settings: RunSettings):
        super().__init__(settings, 0.05)
        vars(self._worker)["_detector"] = DiesOfWhite()


def settings_for(source: str, target: str) -> RunSettings:
    return stub_settings(source, target, access=Access(endpoint_url=os.environ.get("ENDPOINT")))


def plan(settings: RunSettings, shard_size: int) -> list[ShardJob]:
    target, products = open_store(settings.target, settings.access), (settings.faces, *settings.products)
    inventory = plan_inventory(open_source(settings.source, settings.access), target, shard_size)
    for product in products:
        register_product(target, product.definition)
    work = missing_work(target, inventory, [product.name for product in products])
    return [
        ShardJob(shard_id=shard, samples=inventory.samples(shard), missing=tuple(missing))
        for shard, missing in work.items()
    ]


def publish(settings: RunSettings):
    target = open_store(settings.target, settings.access)
    return publish_snapshot(target, [product.name for product in (settings.faces, *settings.products)])


def main(source: str, target: str, shard_size: int) -> None:
    settings = settings_for(source, target)
    with ray_session(2):
        pool = Pool([CrewSettings(make_worker=lambda: Mortal(settings), most=2)], PATIENCE)
        try:
            done = list(pool.run(plan(settings, shard_size)))
        finally:
            pool.close()
        told = {
            "errors": [each.error for each in done if each.error],
            "quarantined": [len(each.job.quarantine) for each in done if each.job.quarantine],
            "replaced": pool.replaced,
            "lost": sum("lost" in receipt.outcomes.values() for each in done for receipt in each.receipts),
        }
        publish(settings)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
