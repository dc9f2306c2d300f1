"""Results as Markdown."""

from collections.abc import Sequence
from typing import Any

from benchmarks.ceiling import Ceiling
from benchmarks.engine import EngineResult
from benchmarks.flops import Flops
from benchmarks.parts import Rate, Rest, Result

PARTS = ("invert", "edit", "encoder", "generator", "alignment", "alignment_of_edit")
"""As fields of `Result` and of `Flops`."""


def results_table(results: Sequence[Result]) -> str:
    """One row for each precision and batch."""
    head = ("dtype", "batch", "images/s", "edits/s", "peak memory: invert, edit (MiB)", "of ceiling: invert, edit")
    rows = []
    for result in results:
        row = [result.dtype, str(result.batch)]
        if result.invert is None or result.edit is None:
            rows.append([*row, "out of memory", "", "", ""])
            continue
        both = (result.invert, result.edit)
        row += [f"{rate.per_s:.3g}" for rate in both]
        row.append(", ".join(f"{rate.timing.peak_memory_bytes / 2**20:.0f}" for rate in both))
        row.append(", ".join(f"{rate.share_of_ceiling:.1%}" for rate in both))
        rows.append(row)
    return table(head, rows)


def parts_table(flops: Flops, results: Sequence[Result]) -> str:
    """What each part computes for one crop, its time for a batch, and the share of the ceiling it reaches."""
    head = ["part", "GFLOP for a crop"]
    head += [f"{result.dtype} x{result.batch} (ms, of ceiling)" for result in results]
    rows = []
    for name in PARTS:
        row = [name.replace("_", " "), f"{getattr(flops, name) / 1e9:.3f}"]
        rows.append(row + [_part(getattr(result, name)) for result in results])
    return table(head, rows)


def _part(found: Rate | Rest | None) -> str:
    if found is None:
        return ""
    seconds = found.timing.median_s if isinstance(found, Rate) else found.seconds
    share = "" if found.share_of_ceiling is None else f", {found.share_of_ceiling:.1%}"
    return f"{1000 * seconds:.3g}{share}"


def ceilings_table(ceilings: dict[str, Ceiling]) -> str:
    """The machine's limits."""
    rows = [[dtype, f"{found.flops_per_s / 1e9:.1f}", str(found.side)] for dtype, found in ceilings.items()]
    return table(["dtype", "ceiling (GFLOP/s)", "side of the matrices"], rows)


def engine_table(results: Sequence[EngineResult]) -> str:
    """The engine beside the model alone."""
    head = ("batch", "photos", "faces", "engine: photos/s", "engine: faces/s", "model alone: faces/s", "ratio")
    rows = [
        [
            str(found.batch),
            str(found.photos),
            str(found.faces),
            *(f"{rate:.3g}" for rate in (found.photos_per_s, found.faces_per_s, found.model_faces_per_s)),
            f"{found.ratio:.2f}",
        ]
        for found in results
    ]
    return table(head, rows)


def shapes_table(shapes: dict[str, Any]) -> str:
    """What came out of one forward."""
    rows = [[name, str(each["shape"]), each["dtype"]] for name, each in shapes["tensors"].items()]
    return table(["tensor", "shape", "dtype"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
