"""Rendering a dataset: shard by shard, by several processes, going on where it was stopped."""

import gc
import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from oodinv.faces import FaceDetector, load_detector
from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.params import labels, parameter_names
from oodinv.portraits.recipe import Recipe, draw_scene
from oodinv.portraits.samples import render_sample
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.shard_files import (
    FORMAT,
    claimed,
    facts_of,
    read_shard,
    shard_path,
    write_shard,
    write_table,
    write_text,
)
from oodinv.portraits.studio import STUDIO_VERSION, Studio

SHARD = 50
"""Seeds per shard: what an interrupted run may have to render again, per process."""
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # Mesa's software rendering.
    "LP_NUM_THREADS": "1",
    # glibc otherwise gives every picture's memory back and has the kernel clear it anew, for 7 % of the time.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What a dataset came to."""

    samples: int
    skipped: int
    """Portraits in which no face was found."""
    skipped_by_kind: dict[str, str]
    """Per accessory kind (``none`` without): not found / rendered."""


def render_dataset(
    out_dir: Path, recipe: Recipe, *, workers: int | None = None, progress: bool = True
) -> DatasetSummary:
    """Render, detect, align and store the portraits of a recipe.

    A run that was stopped, however, goes on with the shards that are missing; the result is the same, byte for byte,
    and does not depend on the number of processes.

    Args:
        out_dir: Gets ``shards/000000.tar`` …, `samples.parquet`, and last `dataset.json`.
        recipe: What is rendered.
        workers: Processes; default: as many as there are cores. 1 renders in this process.
        progress: Show a bar on stderr.

    Returns:
        How many samples there are and what was skipped.

    Raises:
        PortraitsError: The folder holds another dataset, was begun by other versions, lacks shards though it is
            finished, is being written, or cannot be written.
    """
    if workers is not None and workers < 1:
        raise PortraitsError(f"rendering needs at least one process, got {workers}")
    with claimed(out_dir, recipe.as_json(), _versions("anny", "vtk")):
        shards = [recipe.seeds[start : start + SHARD] for start in range(0, recipe.count, SHARD)]
        missing = [number for number in range(len(shards)) if not shard_path(out_dir, number).exists()]
        if (out_dir / "dataset.json").exists():
            if missing:
                raise PortraitsError(
                    f"{out_dir} says that it is finished and lacks {len(missing)} of {len(shards)} shards, first "
                    f"{shard_path(out_dir, missing[0]).name}: copy it again, or delete its dataset.json to render them"
                )
        else:
            todo = [(shard_path(out_dir, number), shards[number]) for number in missing]
            done = recipe.count - sum(len(seeds) for _, seeds in todo)
            with tqdm(total=recipe.count, initial=done, unit="portrait", disable=not progress) as bar:
                _render(todo, recipe, min(workers or len(os.sched_getaffinity(0)), len(todo)), bar)
            _describe(out_dir, recipe, len(shards))
        about = json.loads((out_dir / "dataset.json").read_text())
    return DatasetSummary(samples=about["count"], skipped=about["skipped"], skipped_by_kind=about["skipped_by_kind"])


def _render(todo: list[tuple[Path, range]], recipe: Recipe, workers: int, bar: "tqdm[Any]") -> None:
    if not todo:
        return
    if workers == 1:
        with _one_thread_each():
            studio, detector = Studio(), load_detector("centerface")
        for path, seeds in todo:
            _render_shard(studio, detector, recipe, path, seeds, bar.update)
        return
    context = multiprocessing.get_context("spawn")  # a forked OpenGL context would be two processes' own
    counter = context.Value("q", 0)
    lock = str(todo[0][0].parent.parent / ".lock-studio")
    with _one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(counter, lock))
        try:
            pending = {pool.submit(_in_worker, recipe, path, seeds) for path, seeds in todo}
            shown = 0
            while pending:
                finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                rendered = counter.value
                bar.update(rendered - shown)
                shown = rendered
                for future in finished:
                    future.result()
        except BrokenProcessPool as error:
            raise PortraitsError(
                "a rendering process died (killed, or out of memory): run the same command again, with fewer --workers "
                "if it dies again; what is rendered stays"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _render_shard(studio: Studio, detector: FaceDetector, recipe: Recipe, path: Path, seeds: range, tick: Any) -> None:
    samples = []
    for seed in seeds:
        sample = render_sample(studio, detector, recipe, seed)
        if sample is not None:
            samples.append(sample)
        tick()
    write_shard(path, samples)


_process: dict[str, Any] = {}
"""What a rendering process owns: its studio, its detector, the count of what all have done; or why it has none."""


def _start(counter: Any, lock: str) -> None:
    import fcntl

    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        # Anny's first user on a machine writes a cache into the home folder, which no other may read half-written.
        with open(lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _process["studio"] = Studio()
        _process["detector"], _process["counter"] = load_detector("centerface"), counter
    except Exception as error:  # raised here, it would break the pool and not reach the parent: the work raises it
        _process["problem"] = error
    # What the imports have made stays; looking through it for garbage took 8 % of the time.
    gc.collect()
    gc.freeze()


def _end_with_parent() -> None:
    """A killed parent takes its processes with it; they would otherwise wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_worker(recipe: Recipe, path: Path, seeds: range) -> None:
    if "problem" in _process:
        raise _process["problem"]
    counter = _process["counter"]

    def tick() -> None:
        with counter.get_lock():
            counter.value += 1

    _render_shard(_process["studio"], _process["detector"], recipe, path, seeds, tick)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What is started within uses one thread, and keeps the memory it has got."""
    before = {name: os.environ.get(name) for name in _WORKER_ENVIRONMENT}
    os.environ.update(_WORKER_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _versions(*packages: str) -> dict[str, Any]:
    """What portraits look like depends on."""
    return {"studio": STUDIO_VERSION, **{name: version(name) for name in packages}}


def _describe(out_dir: Path, recipe: Recipe, num_shards: int) -> None:
    """Write the table for people, and last of all the description, which says that everything is there."""
    facts = [facts_of(sample) for number in range(num_shards) for sample in read_shard(shard_path(out_dir, number))]
    write_table(out_dir / "samples.parquet", facts)
    asked = Counter(draw_scene(recipe, seed).kind or "none" for seed in recipe.seeds)
    got = Counter(fact["kind"] or "none" for fact in facts)
    about = {
        "format": FORMAT,
        "kind": "portraits",
        "crop_size": recipe.crop_size,
        "split": recipe.split,
        "count": len(facts),
        "skipped": recipe.count - len(facts),
        "skipped_by_kind": {kind: f"{asked[kind] - got[kind]}/{asked[kind]}" for kind in sorted(asked)},
        "recipe": recipe.as_json(),
        "parameter_names": list(parameter_names()),
        "label_names": list(labels(sample_params(0))),
        "versions": _versions("oodinv", "anny", "vtk", "numpy", "pillow"),
    }
    write_text(out_dir / "dataset.json", json.dumps(about, indent=1))
