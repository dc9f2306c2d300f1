"""What the pipeline costs beside the model: overhead, scaling, memory and reading, with a model that sleeps.

python -m benchmarks.pipeline --out benchmarks/results/2026-01-31-pipeline.json
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.machine import describe_machine
from benchmarks.planning import measure_planning
from benchmarks.pool_run import PoolRun, memory_of_driver, run_pool
from benchmarks.table import table
from oodinv.cluster.session import ray_session

_MEASURES = ("overhead", "scaling", "memory", "planning")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A number and its limit."""

    name: str
    value: float
    limit: float
    at_most: bool = True

    @property
    def holds(self) -> bool:
        """Whether the number keeps the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def told(self) -> tuple[str, str, str, str]:
        """As a row."""
        limit = f"{'≤' if self.at_most else '≥'} {self.limit:g}"
        return self.name, f"{self.value:.3f}", limit, "yes" if self.holds else "NO"


def _overhead(folder: Path) -> tuple[list[PoolRun], list[Gate]]:
    runs = [run_pool(folder, 2, 2048, 0.05), run_pool(folder, 2, 8192, 0.01)]
    slow, fast = runs
    growth = fast.actor_mb[1] - fast.actor_mb[0]
    return runs, [
        Gate(name="actors x wall / model at 50 ms", value=slow.overhead, limit=1.05),
        Gate(name="actors x wall / model at 10 ms", value=fast.overhead, limit=1.15),
        Gate(name="bytes read / bytes of the photos, each stage", value=max(r.read_share for r in runs), limit=1.01),
        Gate(name="bytes in Ray's object store", value=max(run.stored_bytes for run in runs), limit=0),
        Gate(name="growth of an actor from 4,096 to 8,192 photos (MB)", value=growth, limit=16),
    ]


def _scaling(folder: Path) -> tuple[list[PoolRun], list[Gate]]:
    runs = [run_pool(folder, actors, 2048, 0.05) for actors in (1, 2, 4, 8)]
    alone = runs[0].wall_s
    limits = {4: 0.95, 8: 0.90}
    return runs, [
        Gate(
            name=f"T(1) / (N T(N)) at 50 ms, N = {run.actors}",
            value=alone / run.actors / run.wall_s,
            limit=limits.get(run.actors, 0.95),
            at_most=False,
        )
        for run in runs[1:]
    ]


def main(words: list[str] | None = None) -> int:
    """Measure, print Markdown, write JSON; 1 when a gate does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=_MEASURES, default=_MEASURES)
    parser.add_argument("--keys", type=int, default=1_000_000, help="Photos that are planned")
    parser.add_argument("--out", type=Path, help="JSON file")
    asked = parser.parse_args(words)
    record: dict[str, Any] = {"machine": describe_machine(torch.device("cpu"))}
    gates: list[Gate] = []
    with TemporaryDirectory(prefix="oodinv-benchmark-") as folder, ray_session(16):
        for name, measure in (("overhead", _overhead), ("scaling", _scaling)):
            if name in asked.only:
                runs, found = measure(Path(folder))
                record[name], gates = [asdict(run) for run in runs], gates + found
                print(_runs_table(runs), flush=True)
        if "memory" in asked.only:
            first, last = memory_of_driver(600_000)
            record["driver_mb"] = [first, last]
            gates.append(
                Gate(name="growth of the driver for 100,000 photos (MB)", value=(last - first) / 1.98, limit=5)
            )
    if "planning" in asked.only:
        planning = measure_planning(asked.keys)
        record["planning"] = asdict(planning)
        gates.append(
            Gate(name=f"planning {asked.keys:,} photos with nothing to do (s)", value=planning.no_op_s, limit=10)
        )
        print(table(("planning", ""), [(name, f"{value:.4g}") for name, value in asdict(planning).items()]))
    record["gates"] = [asdict(gate) | {"holds": gate.holds} for gate in gates]
    rows = [
        (
            gate.name,
            f"{gate.value:.3f}",
            f"{'≤' if gate.at_most else '≥'} {gate.limit:g}",
            "yes" if gate.holds else "NO",
        )
        for gate in gates
    ]
    print(table(("gate", "measured", "limit", "holds"), rows))
    if asked.out:
        asked.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(gate.holds for gate in gates) else 1


def _runs_table(runs: list[PoolRun]) -> str:
    head = (
        "actors",
        "photos",
        "model (ms)",
        "wall (s)",
        "actors x wall / model",
        "CPU (ms/photo)",
        "stages (ms/photo)",
    )
    rows = [
        (
            str(run.actors),
            str(run.photos),
            f"{run.model_ms:g}",
            f"{run.wall_s:.2f}",
            f"{run.overhead:.3f}",
            f"{run.cpu_ms:.1f}",
            ", ".join(f"{stage} {ms:.1f}" for stage, ms in run.stages_ms.items()),
        )
        for run in runs
    ]
    return table(head, rows)


if __name__ == "__main__":
    sys.exit(main())
