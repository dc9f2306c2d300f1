"""All shards that lack something, wave by wave, on actors that stay warm between waves."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flows.prepare import num_workers
from flows.request import AugmentRequest
from oodinv.cluster.shard_pool import ShardPool
from oodinv.engine.settings import RunSettings
from oodinv.engine.worker import Receipt
from oodinv.report.cost import Usage
from oodinv.report.spans import merge
from tasks.plan import Plan
from tasks.progress import Progress
from tasks.run_wave import Wave, run_wave


@dataclass
class Totals:
    """What the waves came to."""

    receipts: list[Receipt] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)
    photos: int = 0
    nodes: set[str] = field(default_factory=set)
    actors: int = 0
    actor_s: float = 0.0
    """Actors times seconds of the waves."""

    def add(self, wave: Wave, actors: int) -> None:
        """Take in a wave that has ended."""
        self.receipts += wave.receipts
        self.given_up |= wave.given_up
        self.photos += wave.photos
        self.nodes |= wave.nodes
        self.actors = max(self.actors, actors)
        self.actor_s += actors * wave.seconds

    def stages(self) -> dict[str, float]:
        """Seconds of the workers by stage, the longest first."""
        total: Counter[str] = Counter()
        for receipt in self.receipts:
            total.update(receipt.timers)
        return dict(total.most_common())

    def spans(self) -> dict[str, Counter[int]]:
        """How long the steps of each stage took."""
        return {stage: merge(r.spans.get(stage, {}) for r in self.receipts) for stage in self.stages()}

    def usage(self) -> Usage | None:
        """What was used; None when there was nothing to do."""
        if not self.receipts:
            return None
        requests: Counter[str] = Counter()
        for receipt in self.receipts:
            requests.update(receipt.requests)
        return Usage(actor_s=self.actor_s, requests=requests, bytes=sum(receipt.bytes for receipt in self.receipts))


def run_waves(request: AugmentRequest, settings: RunSettings, work: Plan) -> Totals:
    """Work through a plan; what is done is in the ledger, what it came to is returned."""
    totals = Totals()
    if not work.to_do:
        return totals
    pool = ShardPool(
        settings,
        num_workers(request),
        most=work.num_shards,
        workers_given=request.workers is not None,
        gpus_per_worker=request.gpus_per_worker,
    )
    progress = Progress(work.num_samples)
    try:
        for number, shards in enumerate(_chunks(work.to_do, request.wave_shards), start=1):
            wave = Wave(number=number, jobs=[work.job(shard) for shard in shards])
            run_wave(wave, pool, settings.target, progress)
            totals.add(wave, pool.size)
    finally:
        pool.close()
        progress.close()
    return totals


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
