"""A model that sleeps: it takes a chosen time for each photo, no processor, and gives the same pixels every time.

Sleeping frees the processor, so that two cores can feed eight of them: what is measured is all that is not the model.
"""

import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.edits.raw import RawEdit
from oodinv.engine.receipt import Receipt, RowError
from oodinv.engine.settings import RunSettings, ShardJob, edit_product, faces_product
from oodinv.faces import Face
from oodinv.models.decomposition import Composition
from oodinv.models.inversion import Inversion
from oodinv.store import ObjectInfo, Store

SIDE = 256
"""Of the photos."""
_CROP = 128
BYTES_READ = "bytes read"
"""Among a receipt's requests."""
_STAGES = ("fetch", "decode", "detect", "invert", "edit", "compose", "encode", "put")
_SHARE_OF_INVERSION = 0.6


class StubDetector:
    """One face in the middle of each photo, at once."""

    name, weights_sha256 = "stub", "0" * 64

    def detect(self, photo: np.ndarray) -> list[Face]:
        """The face."""
        height, width = photo.shape[:2]
        points = [(0.38, 0.42), (0.62, 0.42), (0.5, 0.55), (0.41, 0.68), (0.59, 0.68)]
        return [
            Face(
                bbox=(0.25 * width, 0.2 * height, 0.75 * width, 0.85 * height),
                score=0.99,
                landmarks=np.array(points, np.float32) * np.array([width, height], np.float32),
                scheme="5",
            )
        ]


@dataclass(frozen=True)
class _Bundle:
    sha256: str = "0" * 64


class StubInverter(Inverter):
    """Sleeps; an inversion is the crop, an edit turns it upside down."""

    resolution, setting = _CROP, "improved"

    def __init__(self, seconds: float, edits: int = 1):
        """For so many edits of a photo, `seconds` are all that inversion and edits take together."""
        # Nothing of what an inverter is made of is there.
        self.bundle, self.device = _Bundle(), torch.device("cpu")  # type: ignore[assignment]
        self._invert_s = _SHARE_OF_INVERSION * seconds
        self._edit_s = (seconds - self._invert_s) / max(edits, 1)
        _usual_lateness()  # known before anything else goes on
        self._mask = torch.zeros(1, 1, _CROP, _CROP)
        self._mask[:, :, : _CROP // 2, : _CROP // 2] = 1

    def invert(self, crops: Tensor, *, plain: bool = False) -> Inversion:
        """The crops themselves, a quarter of each kept."""
        begin, count = time.perf_counter(), crops.shape[0]
        made = Inversion(
            crop=crops,
            w_plus=torch.zeros(count, 1, 1),
            feature_maps={},
            content={},
            guides={},
            plain=None,
            levels={},
            ood_mask=self._mask.expand(count, -1, -1, -1),
            generated=crops,
            kept=crops,
        )
        _sleep_until(begin + self._invert_s * count)
        return made

    def edit(
        self,
        inversion: Inversion,
        edits: Sequence[Edit | RawEdit],
        composition: Composition | None = None,
        *,
        shares: Tensor | None = None,
    ) -> Inversion:
        """Upside down."""
        begin = time.perf_counter()
        made = replace(inversion, generated=inversion.generated.flip(2))
        _sleep_until(begin + self._edit_s * inversion.crop.shape[0])
        return made

    @property
    def compares_identities(self) -> bool:
        """There is no identity network."""
        return False


@cache
def _usual_lateness() -> float:
    """How much longer than asked for this process sleeps while it has nothing else to do: the middle of many."""
    asked, late = 0.005, []
    for _ in range(41):
        begin = time.perf_counter()
        time.sleep(asked)
        late.append(time.perf_counter() - begin - asked)
    return sorted(late)[len(late) // 2]


def _sleep_until(end: float) -> None:
    """What was computed is part of the model's time, and the system's usual lateness is not: never early, though."""
    time.sleep(max(0.0, end - time.perf_counter() - _usual_lateness()))
    while time.perf_counter() < end:
        pass


class StubWorker:
    """What an actor runs: the real engine around the stub."""

    def __init__(self, settings: RunSettings, seconds: float):
        """Nothing is loaded."""
        from oodinv.engine.worker import ShardWorker
        from oodinv.memory import keep_freed_memory
        from oodinv.turns import take_shorter_turns

        keep_freed_memory()
        take_shorter_turns()
        torch.set_num_threads(1)
        self._worker = ShardWorker(settings)
        vars(self._worker)["_detector"] = StubDetector()
        vars(self._worker)["_inverter"] = StubInverter(seconds, len(settings.products))

        self._read = _CountingReads(vars(self._worker)["_source"])
        vars(self._worker)["_source"] = self._read

    def run(self, job: ShardJob, on_sample: Callable[[str | None], object]) -> Receipt:
        """Do a shard; the receipt also tells the bytes that were read from the source."""
        before = self._read.bytes
        receipt = self._worker.run(job, on_sample)
        return replace(receipt, requests={**receipt.requests, BYTES_READ: self._read.bytes - before})


class _CountingReads:
    """A store whose fetched bytes are counted."""

    def __init__(self, store: Store):
        self._store, self._lock, self.bytes = store, threading.Lock(), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def fetch(self, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes | None]:
        found, data = self._store.fetch(key, max_bytes)
        with self._lock:
            self.bytes += len(data or b"")
        return found, data


class IdleWorker:
    """Does nothing and tells as much as one that did a shard with many bad photos."""

    def run(self, job: ShardJob, on_sample: Callable[[str | None], object]) -> Receipt:
        """What a driver would get to keep."""
        bad = RowError(src_key="k" * 60, status="failed", error_class="truncated", error_message="m" * 120)
        return Receipt(
            shard_id=job.shard_id,
            outcomes=dict.fromkeys(job.missing, "done"),
            samples={product: {"ok": 236, "failed": 20} for product in job.missing},
            timers={
                stage: 1.5 for stage in ("fetch", "decode", "detect", "invert", "edit", "compose", "encode", "put")
            },
            spans={stage: {n: 10 for n in range(12)} for stage in ("fetch", "decode", "detect", "invert", "edit")},
            busy_s=12.0,
            objects=258,
            bytes=10**7,
            requests={"get": 512, "put": 258},
            errors={product: {"truncated": 20} for product in job.missing},
            examples=tuple(replace(bad, src_key=f"{number:060}") for number in range(20)),
        )


def stub_settings(source: str, target: str, **rest: Any) -> RunSettings:
    """Faces and one edit, whole photos as JPEG."""
    from oodinv.bundles.bundle import find_bundle

    options: dict[str, Any] = {"output": "photo", "format": "jpeg", "quality": 95, "keep": frozenset(), "seed": 0}
    faces = faces_product("stub", StubDetector.weights_sha256)
    product = edit_product((Edit("smile", 1.0),), faces=faces, bundle=find_bundle("embedded"), **options)
    return RunSettings(
        source=source,
        target=target,
        detector="stub",
        bundle="embedded",
        faces=faces,
        products=(product,),
        **options,
        **rest,
    )


def stub_photo(number: int) -> bytes:
    """A JPEG of 256 pixels that no other number has; about 20 kB, as a photo has."""
    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_photos(folder: Path, count: int) -> None:
    """So many of them; a few hundred are different, the others are links to these."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if number < 256:
            path.write_bytes(stub_photo(number))
        else:
            os.link(folder / f"{number % 256:06d}.jpg", path)
