"""Run all contestants over the same photos on an S3 server, undisturbed and killed in the middle.

python -m benchmarks.contest --photos 2000 --out benchmarks/results/2026-01-31-contest.json
"""

import argparse
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.contest.contestants import CONTESTANTS, MODELS, PREFECT_RAY
from benchmarks.contest.server import Server, s3_server
from benchmarks.contest.work import Bucket
from benchmarks.machine import describe_machine
from benchmarks.processes import below
from benchmarks.stub import stub_photo
from benchmarks.table import table

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Of one contestant."""

    name: str
    wall_s: float
    """From the command to its end, everything included that it starts."""
    cpu_ms: float
    """Processor time for each photo, of all its processes."""
    peak_mb: float
    """Resident memory of all its processes together, at most."""
    requests: dict[str, int]
    """By kind, for all photos."""
    kills: int
    killed_wall_s: float
    """Of a run that was killed so often on its way and begun again."""
    puts_more: int
    """Objects written beyond those of the undisturbed run: what was done anew."""
    lost: int
    """Photos without a row, or whose row names no picture of its size, in the end."""
    doubled: int
    """Rows beyond one for each photo."""


class _Watch(threading.Thread):
    """Looks at a process and all below it."""

    def __init__(self, root: int):
        super().__init__(daemon=True)
        self._root, self._ended = root, threading.Event()
        self.peak_mb = 0.0
        self._cpu: dict[int, float] = {}

    def run(self) -> None:
        while not self._ended.wait(0.2):
            found = below(self._root)
            self.peak_mb = max(self.peak_mb, sum(process.resident_mb for process in found))
            self._cpu |= {process.pid: process.cpu_s for process in found}

    def stop(self) -> float:
        """Seconds of processor time."""
        self._ended.set()
        self.join()
        return sum(self._cpu.values())


def _start(name: str, bucket: str, model_ms: float, server: Server, home: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_"))}
    environment |= server.environment() | {"PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "ERROR"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "benchmarks.contest.contestants", name, bucket, str(model_ms)]
    # A shell in between would be killed alone: its own session holds all that it starts.
    return subprocess.Popen(  # noqa: S603 (our own arguments)
        command, cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr, start_new_session=True
    )


def _kill_all(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL it and everything it started, at once."""
    for pid in [process.pid, *(each.pid for each in below(process.pid))]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def run(name: str, photos: int, model_ms: float, server: Server, folder: Path, kills: int) -> Result:
    """One contestant: undisturbed in one bucket, killed in another."""
    calm, killed = (f"{kind}-{list(CONTESTANTS).index(name)}" for kind in ("calm", "killed"))
    for bucket in (calm, killed):
        _fill(bucket, photos)
    before, begin = server.requests(), time.perf_counter()
    process = _start(name, calm, model_ms, server, str(folder / calm))
    watch = _Watch(os.getpid())
    watch.start()
    _ended_well(process, name)
    wall, cpu = time.perf_counter() - begin, watch.stop()
    requests = Counter(server.requests())
    requests.subtract(before)
    killed_wall, start = 0.0, server.requests()
    for kill in range(1, kills + 1):
        begin = time.perf_counter()
        process = _start(name, killed, model_ms, server, str(folder / killed))
        while process.poll() is None and _puts(server) - _puts_of(start) < photos * kill / (kills + 1):
            time.sleep(0.2)
        _kill_all(process)
        killed_wall += time.perf_counter() - begin
        time.sleep(3)  # what was on its way
    begin = time.perf_counter()
    _ended_well(_start(name, killed, model_ms, server, str(folder / killed)), name)
    killed_wall += time.perf_counter() - begin
    more = _puts(server) - _puts_of(start) - _puts_of(requests)
    _check_equal(server, calm, killed)
    found = _rows(server, killed)
    sizes = {key: size for key, size in Bucket(killed).sizes().items()}
    good = {key for key, out, size in found if sizes.get(out) == size}
    return Result(
        name=name,
        wall_s=wall,
        cpu_ms=1000 * cpu / photos,
        peak_mb=watch.peak_mb,
        requests={kind: count for kind, count in sorted(requests.items()) if count},
        kills=kills,
        killed_wall_s=killed_wall,
        puts_more=more,
        lost=photos - len(good),
        doubled=len(found) - len({key for key, _, _ in found}),
    )


def _check_equal(server: Server, calm: str, killed: str) -> None:
    """Datasets of a ledger are equal row for row, whatever happened to one of them."""
    from oodinv.ledger import read_snapshot, run_differences
    from oodinv.store import Access, open_store

    if Bucket(calm).keys("dataset/snapshots/"):
        access = Access(endpoint_url=server.endpoint_url)
        rows = [read_snapshot(open_store(f"s3://{bucket}/dataset", access)) for bucket in (calm, killed)]
        differences = run_differences(*rows)
        if differences:
            raise RuntimeError(f"the killed run's dataset is another: {differences}")
        print(f"equal: {rows[0].num_rows} rows of {calm} and {killed}", flush=True)


def _rows(server: Server, bucket: str) -> list[tuple[str, str, int]]:
    """Photo, picture and its size of every row that a reader would find."""
    store = Bucket(bucket)
    if store.keys("dataset/snapshots/"):
        import oodinv.ledger
        from oodinv.store import Access, open_store

        target = open_store(f"s3://{bucket}/dataset", Access(endpoint_url=server.endpoint_url))
        report = oodinv.ledger.fsck(target)
        assert report.clean, report.problems
        rows = oodinv.ledger.read_snapshot(target).to_pylist()
        return [
            (f"photos/{row['src_key']}", f"dataset/{row['out_key']}", row["out_bytes"])
            for row in rows
            if row["product"].startswith("smile") and row["status"] == "ok"
        ]
    found = []
    for key in store.keys("rows/"):
        if key.endswith(".parquet"):
            rows = pq.read_table(io.BytesIO(store.get(key))).to_pylist()
            found += [(row["key"], row["out_key"], row["bytes"]) for row in rows]
    return found


def _puts(server: Server) -> int:
    return _puts_of(server.requests())


def _puts_of(requests: Mapping[str, int]) -> int:
    return requests.get("PUT", 0)


def _ended_well(process: "subprocess.Popen[bytes]", name: str) -> None:
    if process.wait() != 0:
        raise RuntimeError(f"{name} ended with exit code {process.returncode}")


def _fill(bucket: str, photos: int) -> None:
    store = Bucket(bucket)
    store.make()
    kinds = [stub_photo(number) for number in range(min(photos, 256))]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: store.put(f"photos/{n:06d}.jpg", kinds[n % len(kinds)]), range(photos)):
            pass


def _installed() -> list[str]:
    """All contestants, but for the one whose package is no dependency of this project and may be missing."""
    missing = () if importlib.util.find_spec("prefect_ray") else (PREFECT_RAY,)
    return [name for name in CONTESTANTS if name not in missing]


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--model-ms", type=float, default=10.0, help="Of one photo")
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), default=_installed())
    parser.add_argument("--out", type=Path, help="JSON file")
    asked = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="oodinv-contest-") as folder, s3_server(Path(folder, "s3")) as server:
        os.environ |= server.environment()
        for name in asked.only:
            results.append(run(name, asked.photos, asked.model_ms, server, Path(folder), asked.kills))
            print(_told(results[-1]), flush=True)
    print(table(_HEAD, [_told(result) for result in results]))
    if asked.out:
        facts = {"photos": asked.photos, "model_ms": asked.model_ms, "models": MODELS}
        record = {"machine": describe_machine(torch.device("cpu")), **facts, "results": [asdict(r) for r in results]}
        asked.out.write_text(json.dumps(record, indent=1) + "\n")


_HEAD = (
    "", "wall (s)", "CPU (ms/photo)", "peak memory (MB)", "requests", "wall with kills (s)", "PUTs more", "lost",
    "doubled",
)  # fmt: skip


def _told(result: Result) -> list[str]:
    requests = ", ".join(f"{kind} {count}" for kind, count in result.requests.items())
    numbers = (f"{result.wall_s:.1f}", f"{result.cpu_ms:.1f}", f"{result.peak_mb:.0f}", requests)
    rest = (f"{result.killed_wall_s:.1f}", str(result.puts_more), str(result.lost), str(result.doubled))
    return [result.name, *numbers, *rest]


if __name__ == "__main__":
    main()
