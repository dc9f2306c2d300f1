"""A worker: holds detector and model, turns shards into commits. Any process can be one."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from oodinv.bundles.inverter import Inverter
from oodinv.engine.fetch import PhotoReader
from oodinv.engine.making import Making, Published
from oodinv.engine.microbatch import Microbatch, default_microbatch
from oodinv.engine.receipt import MAX_EXAMPLES, Receipt
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.engine.timers import Timers
from oodinv.engine.whereabouts import Whereabouts
from oodinv.faces import FaceDetector, load_detector
from oodinv.imaging.isolated import shared_decoders
from oodinv.store import open_source, open_store


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Threads and processes beside the one that the model computes in."""

    readers: int
    """Threads that fetch, and wait for decoders."""
    decoders: int
    """Processes."""
    finishers: int
    """Threads that compose, encode and write, and publish the faces."""

    @classmethod
    def for_device(cls, device: str) -> "Hands":
        """A GPU is fed by many; beside a model on a processor few keep stores and disks busy."""
        if torch.device(device).type == "cpu":
            return cls(readers=4, decoders=1, finishers=4)
        return cls(readers=16, decoders=4, finishers=16)


class ShardWorker:
    """Does shards, one after the other. Models are loaded with the first shard that needs them."""

    def __init__(self, settings: RunSettings, device: str = "cpu"):
        """Nothing is loaded yet.

        Args:
            settings: What to do.
            device: Where the model computes.
        """
        self._settings, self._device = settings, device
        # Kept from shard to shard: what did not fit once is not tried again.
        self._microbatch = Microbatch(settings.microbatch or default_microbatch(device))
        self._hands = Hands.for_device(device)
        self._source, self._target = (
            open_source(settings.source, settings.access),
            open_store(settings.target, settings.access),
        )

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._hands.readers, thread_name_prefix="read")

    @cached_property
    def _finder(self) -> ThreadPoolExecutor:
        # One: a detector looks at one photo at a time.
        return ThreadPoolExecutor(1, thread_name_prefix="find")

    @cached_property
    def _finishers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._hands.finishers, thread_name_prefix="finish")

    @cached_property
    def _detector(self) -> FaceDetector:
        return load_detector(self._settings.detector)

    @cached_property
    def _inverter(self) -> Inverter:
        settings = self._settings
        return Inverter.from_bundle(
            settings.bundle,
            device=self._device,
            precision=settings.precision,
            preset=settings.preset,
            access=settings.access,
        )

    def run(self, job: ShardJob, on_sample: Callable[[str | None], object] = lambda _: None) -> Receipt:
        """Make and publish the products a shard lacks.

        Args:
            job: The shard and its missing products.
            on_sample: Called with a sample's id before each sample of each stage when the job is done `with_care`;
                else with None about once a second, because several are under way; and with None when a stage has been
                through its samples.

        Returns:
            What was published.

        Raises:
            StoreError: The target failed, e.g. the disk is full. Nothing half done is visible.
            MemoryError: The machine has too little memory for a photo.
        """
        begin, timers, billed = time.perf_counter(), Timers(), self._billed()
        made: dict[str, Published] = {}
        if job.repair is not None:
            made |= self._make(job.repaired(), timers, on_sample)
        made |= self._make(replace(job, repair=None), timers, on_sample)
        receipt = self._receipt(job, made, timers)
        return replace(receipt, busy_s=time.perf_counter() - begin, requests=self._billed() - billed)

    def _make(self, job: ShardJob, timers: Timers, on_sample: Callable[[str | None], object]) -> dict[str, Published]:
        """Make and publish the products that a job calls missing: what became of each."""
        here, beside = Whereabouts(on_sample, careful=job.one_by_one), not job.one_by_one
        reader = PhotoReader(
            self._source,
            shared_decoders(self._hands.decoders),
            timers,
            here,
            self._readers if beside else None,
            self._finder if beside else None,
        )
        making = Making(
            settings=self._settings,
            target=self._target,
            job=job,
            reader=reader,
            detector=lambda: self._detector,
            inverter=lambda: self._inverter,
            microbatch=self._microbatch if beside else Microbatch(1),
            finishers=self._finishers if beside else None,
            timers=timers,
            here=here,
        )
        return making.make()

    def _billed(self) -> Counter[str]:
        return Counter(self._source.requests()) + Counter(self._target.requests())

    def _receipt(self, job: ShardJob, made: Mapping[str, Published], timers: Timers) -> Receipt:
        bad = [row for published in made.values() for row in published.bad]
        # One photo fails in every product: people want to read of it once.
        distinct = {(row.src_key, row.error_class): row for row in bad}
        commits = [published.commit for published in made.values()]
        return Receipt(
            shard_id=job.shard_id,
            outcomes={name: published.outcome for name, published in made.items()},
            samples={commit.product: dict(commit.samples) for commit in commits},
            timers=timers.rounded(),
            spans={stage: dict(spans) for stage, spans in timers.spans.items()},
            busy_s=0.0,
            objects=sum(len(commit.objects) + 1 for commit in commits),
            bytes=sum(obj.size for commit in commits for obj in commit.objects),
            requests={},
            errors={name: dict(Counter(row.error_class for row in published.bad)) for name, published in made.items()},
            examples=tuple(distinct.values())[:MAX_EXAMPLES],
        )
