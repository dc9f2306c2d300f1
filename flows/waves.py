"""All shards that lack something, as one stream through the actors; a wave is what the UI shows of it at a time."""

import logging
import math
from collections import Counter
from dataclasses import dataclass, field

from prefect.exceptions import TerminationSignal

from flows.prepare import actors_for
from flows.request import AugmentRequest
from oodinv.cluster.shard_pool import ShardPool
from oodinv.engine.settings import RunSettings
from oodinv.report.cost import Usage
from tasks.plan import Plan
from tasks.progress import Progress
from tasks.run_wave import Wave, run_wave

logger = logging.getLogger("oodinv.run")

DRAIN_S = 20.0
"""A run that is told to end has half a minute by the habit of Kubernetes and of Prefect; what is left ends Ray."""


@dataclass
class Totals:
    """What the waves came to: sums, as many however many shards there are."""

    shards: int = 0
    """That were done."""
    given_up: dict[str, str] = field(default_factory=dict)
    photos: int = 0
    objects: int = 0
    bytes: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    """Of the workers by stage."""
    steps: dict[str, Counter[int]] = field(default_factory=dict)
    """How long the steps of each stage took."""
    nodes: set[str] = field(default_factory=set)
    actors: int = 0
    actor_s: float = 0.0
    """Actors times seconds of the waves."""

    def add(self, wave: Wave, actors: int) -> None:
        """Take in a wave that has ended."""
        for receipt in wave.receipts:
            self.shards += 1
            self.objects += receipt.objects
            self.bytes += receipt.bytes
            self.requests.update(receipt.requests)
            self.seconds.update(receipt.timers)
            for stage, spans in receipt.spans.items():
                self.steps.setdefault(stage, Counter()).update(spans)
        self.given_up |= wave.given_up
        self.photos += wave.photos
        self.nodes |= wave.nodes
        self.actors = max(self.actors, actors)
        self.actor_s += actors * wave.seconds

    def stages(self) -> dict[str, float]:
        """Seconds of the workers by stage, the longest first."""
        return dict(self.seconds.most_common())

    def spans(self) -> dict[str, Counter[int]]:
        """How long the steps of each stage took, in the order of `stages`."""
        return {stage: self.steps.get(stage, Counter()) for stage in self.stages()}

    def usage(self) -> Usage | None:
        """What was used; None when there was nothing to do."""
        if not self.shards:
            return None
        return Usage(actor_s=self.actor_s, requests=self.requests, bytes=self.bytes)


def run_waves(request: AugmentRequest, settings: RunSettings, work: Plan) -> Totals:
    """Work through a plan; what is done is in the ledger, what it came to is returned.

    When the run is told to end, shards under way are let end for `DRAIN_S`, and are committed; nothing is begun.
    """
    totals = Totals()
    if not work.to_do:
        return totals
    pool = ShardPool(settings, actors_for(request), work.to_do, work.job)
    progress = Progress(work.num_samples)
    waves = math.ceil(work.num_shards / request.wave_shards)
    try:
        for number in range(1, waves + 1):
            size = min(request.wave_shards, work.num_shards - (number - 1) * request.wave_shards)
            wave = Wave(number=number, of=waves, size=size)
            run_wave(wave, pool, settings.target, progress)
            totals.add(wave, pool.size)
    except TerminationSignal:
        logger.warning("told to end: nothing more is begun, %d shards under way were finished", pool.drain(DRAIN_S))
        raise
    finally:
        pool.close()
        progress.close()
    return totals
