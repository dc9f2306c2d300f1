"""Runs the augment flow on stub photos and counts what it asks the Prefect server for.

`python count_requests.py SOURCE TARGET SHARD_SIZE WAVE_SHARDS`: the photos are words (see ``tiny_run``), the actors are
replaced by a loop in this process; ledger, flow, tasks, artifacts, events and logs are the real ones. Prints JSON.
"""

import json
import re
import sys
import time
from collections import Counter
from itertools import islice

import httpx

COUNTED: Counter[str] = Counter()
EVENTS: Counter[str] = Counter()


def count_http() -> None:
    """Every request of every client of this process, by kind."""
    for client in (httpx.Client, httpx.AsyncClient):
        send = client.send

        def counted(self, request, *args, _send=send, **kwargs):
            path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", request.url.path)
            COUNTED[f"{request.method} {path}"] += 1
            return _send(self, request, *args, **kwargs)

        client.send = counted  # type: ignore[method-assign]


def count_events() -> None:
    """What goes over the event socket."""
    from prefect.events.worker import EventsWorker

    send = EventsWorker.send

    def counted(self, item):
        EVENTS[item.event if hasattr(item, "event") else "?"] += 1
        return send(self, item)

    EventsWorker.send = counted  # type: ignore[method-assign]


class StubPool:
    """In the place of `ShardPool`: real commits, no model, no Ray."""

    size, cluster = 1, None

    def __init__(self, settings, actors, shards, job_of):
        self._settings, self._jobs = settings, map(job_of, shards)

    def take(self, count):
        from tiny_run import do_faces

        from oodinv.cluster.job import Done
        from oodinv.engine.receipt import Receipt
        from oodinv.ledger import Shard
        from oodinv.store import open_source, open_store

        source, target = open_source(self._settings.source), open_store(self._settings.target)
        for job in islice(self._jobs, count):
            begin = time.monotonic()
            shard = Shard(shard_id=job.shard_id, samples=job.samples)
            do_faces(source, target, shard, self._settings.faces.definition)
            receipt = Receipt(
                shard_id=job.shard_id,
                outcomes={self._settings.faces.name: "done"},
                samples={self._settings.faces.name: {"skipped": len(job.samples)}},
                timers={"detect": 0.1},
                spans={"detect": {0: len(job.samples)}},
                busy_s=time.monotonic() - begin,
                objects=2,
                bytes=1000,
                requests={},
                errors={self._settings.faces.name: {"no-face": len(job.samples)}},
            )
            yield Done(job=job, receipts=(receipt,), attempts=1, nodes=frozenset({"here"}))

    def close(self):
        """Nothing to close."""


def main() -> None:
    source, target, shard_size, wave_shards = sys.argv[1:]
    count_http()
    from flows.environment import quiet_and_local

    quiet_and_local()
    import flows.waves

    flows.waves.ShardPool = StubPool  # type: ignore[assignment,misc]
    from flows.augment import augment
    from flows.request import AugmentRequest

    count_events()
    import flows.augment as module
    from oodinv.ledger.plan import missing_work

    # Only the faces product is made: the edits of words would need a model.
    def only_faces(target, inventory, products):
        return {shard: [products[0]] for shard in missing_work(target, inventory, products[:1])}

    import tasks.plan

    tasks.plan.missing_work = only_faces
    begin = time.monotonic()
    summary = augment(
        AugmentRequest(
            source=source,
            target=target,
            edits=("identity",),
            shard_size=int(shard_size),
            wave_shards=int(wave_shards),
        )
    )
    seconds = time.monotonic() - begin
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all()
    EventsWorker.drain_all()
    assert module.last_summary() is not None and summary is not None
    result = {"photos": summary.num_inputs, "seconds": seconds, "http": COUNTED, "events": EVENTS}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
