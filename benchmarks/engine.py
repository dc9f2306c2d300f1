"""The engine without Ray beside the model alone on the same crops: what everything around the model costs."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.precision import Precise
from benchmarks.subject import Subject
from oodinv.bundles.bundle import find_bundle
from oodinv.edits import Edit
from oodinv.engine.faces_stage import face_of
from oodinv.engine.settings import RunSettings, ShardJob, edit_product, faces_product
from oodinv.engine.worker import ShardWorker
from oodinv.faces import load_detector
from oodinv.faces.align import crop_transform, extract_crop
from oodinv.imaging.decode import decode_photo
from oodinv.ledger.inputs import is_photo_key
from oodinv.ledger.live import read_shard
from oodinv.ledger.plan import missing_work, plan_inventory
from oodinv.ledger.products import register_product
from oodinv.store import open_source, open_store

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
_DETECTOR = "centerface"


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """Of one run over photos; models were loaded and warm before."""

    batch: int
    """The engine's microbatch, and the batch of the model alone."""
    photos: int
    faces: int
    engine_s: float
    """From photos in a folder to committed products: faces, and one edit."""
    model_s: float
    """The same crops inverted and edited, by the model alone."""
    photos_per_s: float
    faces_per_s: float
    model_faces_per_s: float
    ratio: float
    """The engine's faces per second, as a share of the model's alone."""
    stages_s: dict[str, float]
    """The engine's seconds by stage."""


def measure_engine(subject: Subject, device: torch.device, *, photos: Path, count: int, batch: int) -> EngineResult:
    """Run the engine over photos of a folder, repeated until there are enough, and then the model alone.

    Args:
        subject: A bundle's model, on the device; the engine loads the bundle itself. In float32, as products are made.
        device: Where both compute.
        photos: A folder of photos.
        count: How many to work through.
        batch: Faces in each call of the model.

    Raises:
        ValueError: The folder holds no photo, or the photos no face.
    """
    with TemporaryDirectory(prefix="oodinv-benchmark-") as folder, subject.as_bundle() as bundle:
        source, target = Path(folder, "photos"), Path(folder, "target")
        source.mkdir()
        settings = _settings(source, target, bundle, batch)
        worker = ShardWorker(settings, str(device))
        _fill(source, photos, "0-warm-up", 1)
        for job in _jobs(settings):
            worker.run(job)
        _fill(source, photos, "1", count)
        jobs = _jobs(settings)
        begin = time.perf_counter()
        receipts = [worker.run(job) for job in jobs]
        engine_s = time.perf_counter() - begin
        crops = _crops(settings, jobs, subject.size)
    if not crops:
        raise ValueError(f"expected faces in the first {count} photos of {photos}, got none: name other photos")
    stages: Counter[str] = Counter()
    for receipt in receipts:
        stages.update(receipt.timers)
    model_s = _model_alone(subject, device, crops, batch)
    return EngineResult(
        batch=batch,
        photos=count,
        faces=len(crops),
        engine_s=engine_s,
        model_s=model_s,
        photos_per_s=count / engine_s,
        faces_per_s=len(crops) / engine_s,
        model_faces_per_s=len(crops) / model_s,
        ratio=model_s / engine_s,
        stages_s=dict(stages.most_common()),
    )


def _settings(source: Path, target: Path, bundle: str, batch: int) -> RunSettings:
    found = find_bundle(bundle)
    faces = faces_product(_DETECTOR, load_detector(_DETECTOR).weights_sha256)
    edit = Edit(next(iter(found.spec.edits)), 1.0)
    settings = RunSettings(
        source=str(source),
        target=str(target),
        detector=_DETECTOR,
        bundle=bundle,
        faces=faces,
        products=(),
        output="photo",
        format="jpeg",
        quality=95,
        keep=frozenset(),
        seed=0,
        microbatch=batch,
    )
    product = edit_product(
        (edit,),
        faces=faces,
        bundle=found,
        output=settings.output,
        format=settings.format,
        quality=settings.quality,
        keep=settings.keep,
        seed=settings.seed,
    )
    return replace(settings, products=(product,))


def _fill(source: Path, photos: Path, prefix: str, count: int) -> None:
    found = sorted(path for path in photos.iterdir() if is_photo_key(path.name))
    if not found:
        raise ValueError(f"expected photos in {photos}, got none: name a folder that holds some")
    for number in range(count):
        path = found[number % len(found)]
        # No two are equal, or they would be computed once; what stands behind a picture's end is not read.
        (source / f"{prefix}-{number:05d}{path.suffix}").write_bytes(path.read_bytes() + str(number).encode())


def _jobs(settings: RunSettings) -> list[ShardJob]:
    """What has no commit yet."""
    target, products = open_store(settings.target), (settings.faces, *settings.products)
    inventory = plan_inventory(open_source(settings.source), target, 256)
    for product in products:
        register_product(target, product.definition)
    work = missing_work(target, inventory, [product.name for product in products])
    return [
        ShardJob(shard_id=shard, samples=inventory.samples(shard), missing=tuple(missing))
        for shard, missing in work.items()
    ]


def _crops(settings: RunSettings, jobs: list[ShardJob], size: int) -> list[torch.Tensor]:
    """The faces that the engine edited, cut out again."""
    source, target, crops = open_source(settings.source), open_store(settings.target), []
    for job in jobs:
        rows = read_shard(target, settings.faces.name, job.shard_id)[0].to_pylist()
        for sample in job.samples:
            faces = [face_of(r) for r in rows if r["sample_id"] == sample.sample_id and r["status"] == "ok"]
            photo = decode_photo(source.get(sample.key)) if faces else np.zeros((1, 1, 3), np.uint8)
            crops += [torch.from_numpy(extract_crop(photo, crop_transform(face, size), size)) for face in faces]
    return crops


def _model_alone(subject: Subject, device: torch.device, crops: list[torch.Tensor], batch: int) -> float:
    config = subject.model.generator.config
    model = Precise(model=subject.model, device=device, dtype=torch.float32)
    offset = torch.randn(1, config.num_layers, config.style_dim, generator=torch.Generator().manual_seed(0)).to(device)

    def work(chunk: list[torch.Tensor]) -> None:
        edited = model.edit(model.invert(torch.stack(chunk).to(device)), offset)
        edited.reconstruction.cpu()

    chunks = [crops[start : start + batch] for start in range(0, len(crops), batch)]
    work(chunks[0])
    begin = time.perf_counter()
    for chunk in chunks:
        work(chunk)
    return time.perf_counter() - begin
