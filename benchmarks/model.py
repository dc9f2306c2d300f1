"""How fast the model inverts and edits on this machine: `python -m benchmarks.model --help`."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.ceiling import measure_ceiling
from benchmarks.engine import EXAMPLES, measure_engine
from benchmarks.flops import Flops, count_flops
from benchmarks.machine import describe_machine
from benchmarks.parts import CALLS, measure_parts
from benchmarks.precision import DTYPES
from benchmarks.shapes import check_shapes
from benchmarks.subject import FULL, load_subject
from benchmarks.table import ceilings_table, engine_table, parts_table, results_table, shapes_table
from oodinv.memory import keep_freed_memory
from oodinv.models.accelerate import accelerate, compile_layers

_FULL_SIZE = 1024


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print Markdown, write JSON; what was written is returned too."""
    parser = _parser()
    asked = parser.parse_args(words)
    if asked.size is not None and asked.bundle != FULL:
        parser.error(f"--size: bundle {asked.bundle!r} has its own size; name a size with --bundle {FULL} only")
    if asked.meta and asked.bundle != FULL:
        parser.error(f"--meta runs the full-size configuration: name --bundle {FULL}")
    if asked.device == "cuda" and not asked.meta and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here; --meta checks the shapes without one")
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    record = _shapes(asked) if asked.meta else _measured(asked)
    if asked.out is not None:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(record, indent=2) + "\n")
    return record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model", description=__doc__)
    parser.add_argument("--bundle", default="embedded", metavar="full|NAME|DIR", help="full: random weights")
    parser.add_argument("--size", type=int, metavar="PX", help=f"with --bundle full; default {_FULL_SIZE}")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=["float32"])
    parser.add_argument("--batch", nargs="+", type=_positive, default=[1], metavar="N")
    parser.add_argument("--threads", type=_positive, metavar="N", help="of torch; default: as torch finds the machine")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="for each call that is measured")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, for GPUs")
    parser.add_argument("--engine", type=_positive, metavar="N", help="also the engine over N photos, without Ray")
    parser.add_argument("--photos", type=Path, default=EXAMPLES, metavar="DIR", help="for --engine, repeated")
    parser.add_argument("--meta", action="store_true", help="one forward of the full-size configuration, shapes only")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text}")
    return number


def _shapes(asked: argparse.Namespace) -> dict[str, Any]:
    found = [check_shapes(asked.size or _FULL_SIZE, dtype, batch) for dtype in asked.dtype for batch in asked.batch]
    for shapes in found:
        print(f"\n{FULL}, {shapes['size']} px, {shapes['dtype']}, batch {shapes['batch']}\n\n{shapes_table(shapes)}")
    return {"machine": describe_machine(torch.device("cpu")), "shapes": found}


def _measured(asked: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(asked.device)
    machine = describe_machine(device)
    subject = load_subject(asked.bundle, asked.size or _FULL_SIZE)
    flops = count_flops(subject.model)
    subject.model.to(device)
    if device.type == "cpu":
        keep_freed_memory()  # as actors and commands do
    if asked.compile:
        compile_layers(subject.model)
    else:
        accelerate(subject.model)
    configurations = [(dtype, batch) for dtype in asked.dtype for batch in asked.batch]
    engine_runs = asked.batch if asked.engine else []
    total = len(asked.dtype) + CALLS * len(configurations) + len(engine_runs)
    with tqdm(total=total, unit="call", file=sys.stderr) as bar:

        def step(name: str) -> None:
            bar.set_description(name)
            bar.update()

        ceilings = {}
        for dtype in asked.dtype:
            step(f"ceiling {dtype}")
            ceilings[dtype] = measure_ceiling(device, DTYPES[dtype], asked.seconds)
        results = [
            measure_parts(
                subject,
                device,
                dtype,
                batch,
                flops=flops,
                ceiling=ceilings[dtype].flops_per_s,
                seconds=asked.seconds,
                on_call=lambda name, dtype=dtype, batch=batch: step(f"{dtype} x{batch} {name}"),  # type: ignore[misc]
            )
            for dtype, batch in configurations
        ]
        engine = []
        for batch in engine_runs:
            step(f"engine x{batch}")
            engine.append(measure_engine(subject, device, photos=asked.photos, count=asked.engine, batch=batch))
    _say(asked, machine, subject.size)
    print(ceilings_table(ceilings), parts_table(flops, results), results_table(results), sep="\n\n")
    if engine:
        print(f"\n{engine_table(engine)}")
    return {
        "machine": machine,
        "model": subject.described(),
        "compiled": asked.compile,
        "seconds_per_call": asked.seconds,
        "ceilings": {dtype: asdict(found) for dtype, found in ceilings.items()},
        "flops_per_crop": _told(flops),
        "results": [asdict(result) for result in results],
        "engine": [asdict(result) for result in engine],
    }


def _told(flops: Flops) -> dict[str, int]:
    return asdict(flops) | {"alignment": flops.alignment, "alignment_of_edit": flops.alignment_of_edit}


def _say(asked: argparse.Namespace, machine: dict[str, Any], size: int) -> None:
    where = machine["gpu"]["name"] if machine["gpu"] else f"{machine['cpu']}, {machine['threads']} threads"
    print(f"\nbundle {asked.bundle}, {size} px, on {where}; torch {machine['torch']}, {machine['date']}\n")


if __name__ == "__main__":
    main()
