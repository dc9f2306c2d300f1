"""Shards worked through in this process: no Ray, no Prefect."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from oodinv.bundles.bundle import find_bundle
from oodinv.edits import parse_edit
from oodinv.engine.receipt import Receipt
from oodinv.engine.settings import Product, RunSettings, ShardJob, edit_product, faces_product
from oodinv.engine.worker import ShardWorker
from oodinv.faces import Face, FaceDetector, load_detector
from oodinv.ledger import missing_work, plan_inventory, publish_snapshot, read_snapshot, register_product
from oodinv.ledger.retry import open_repairs
from oodinv.store import open_source, open_store

BESIDE = frozenset({"fetch", "decode", "detect", "align", "compose", "encode", "put", "publish"})
"""Stages of threads beside the model: they overlap it and each other, so their seconds add up to nothing. Faces are
published there, edits are not."""


class LooksOnce:
    """A detector that looks at each photo once for all tests; looking takes longer than all a tiny model does."""

    def __init__(self, detector: FaceDetector):
        self.name, self.weights_sha256 = detector.name, detector.weights_sha256
        self._detector = detector
        self._seen: dict[tuple[tuple[int, ...], bytes], list[Face]] = {}

    def detect(self, photo: np.ndarray) -> list[Face]:
        key = photo.shape, hashlib.sha256(photo.tobytes()).digest()
        if key not in self._seen:
            self._seen[key] = self._detector.detect(photo)
        return list(self._seen[key])


@cache
def detector() -> FaceDetector:
    return LooksOnce(load_detector("centerface"))


def make_settings(
    source: Path,
    target: Path,
    bundle: Path,
    *edits: str,
    output: str = "photo",
    format: str = "png",
    keep: Iterable[str] = (),
    previews: Iterable[str] = (),
    composition: str | None = None,
) -> RunSettings:
    """What `flows.prepare` makes of a request; edits default to `smile=+1.5`."""
    options: dict[str, Any] = {"output": output, "format": format, "quality": 90, "keep": frozenset(keep), "seed": 0}
    faces = faces_product("centerface", detector().weights_sha256)
    found = find_bundle(str(bundle))
    return RunSettings(
        source=str(source),
        target=str(target),
        detector="centerface",
        bundle=str(bundle),
        faces=faces,
        products=tuple(
            edit_product(parse_edit(text), faces=faces, bundle=found, composition=composition, **options)
            for text in edits or ("smile=+1.5",)
        ),
        previews=frozenset(previews),
        **options,
    )


def plan_jobs(settings: RunSettings, shard_size: int = 100) -> list[ShardJob]:
    """What is to do; plans the source and registers the products."""
    target = open_store(settings.target)
    inventory = plan_inventory(open_source(settings.source), target, shard_size)
    for product in products(settings):
        register_product(target, product.definition)
    names = [product.name for product in products(settings)]
    work, repairs = missing_work(target, inventory, names), open_repairs(target, names)
    return [
        ShardJob(
            shard_id=shard,
            samples=inventory.samples(shard),
            missing=tuple(work.get(shard, ())),
            repair=repairs.get(shard),
        )
        for shard in inventory.shards()
        if shard in work or shard in repairs
    ]


def run_shards(
    settings: RunSettings,
    shard_size: int = 100,
    *,
    order: Callable[[list[ShardJob]], list[ShardJob]] = list,
    workers: int = 1,
    prepare: Callable[[ShardWorker], None] = lambda worker: None,
    quarantine: Iterable[str] = (),
) -> list[Receipt]:
    """Do everything that is missing, job by job, on workers taken in turn."""
    pool = [ShardWorker(settings) for _ in range(workers)]
    for worker in pool:
        vars(worker)["_detector"] = detector()  # loaded once for all tests
        prepare(worker)
    jobs = [replace(job, quarantine=frozenset(quarantine)) for job in order(plan_jobs(settings, shard_size))]
    return [pool[index % workers].run(job) for index, job in enumerate(jobs)]


def products(settings: RunSettings) -> Sequence[Product]:
    return (settings.faces, *settings.products)


def read_rows(settings: RunSettings) -> pa.Table:
    """All rows, through a snapshot."""
    target, names = open_store(settings.target), [product.name for product in products(settings)]
    publish_snapshot(target, names)
    return read_snapshot(target, products=names)


def rows_by_photo(settings: RunSettings, product: Product) -> dict[str, list[dict]]:
    """The rows of one product by the photo's key."""
    rows: dict[str, list[dict]] = {}
    for row in read_rows(settings).to_pylist():
        if row["product"] == product.name:
            rows.setdefault(row["src_key"], []).append(row)
    return rows
