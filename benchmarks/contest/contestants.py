"""Each edits all photos of a bucket with two models and writes rows: `python -m … NAME BUCKET MODEL_MS`.

Run again after a kill, each goes on as it knows how.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

MODELS = 2
SHARD = 256
_BATCH = 64


def oodinv(bucket: str, seconds: float) -> None:
    """This pipeline's flow, with Prefect, ledger, snapshot and report."""
    from benchmarks.stub import StubWorker
    from oodinv.cluster import shard_pool

    class Stub(StubWorker):
        def __init__(self, settings: Any, gpus: float):
            super().__init__(settings, seconds)

    shard_pool._ShardWorker = Stub  # type: ignore[assignment,misc]
    from flows.environment import quiet_and_local

    quiet_and_local()
    from flows.request import AugmentRequest
    from flows.run import run_augment

    run_augment(
        AugmentRequest(
            source=f"s3://{bucket}/photos",
            target=f"s3://{bucket}/dataset",
            edits=("smile=+1",),
            workers=MODELS,
            shard_size=SHARD,
            endpoint_url=os.environ["CONTEST_ENDPOINT"],
        )
    )


def threads(bucket: str, seconds: float) -> None:
    """A thread pool with boto3; rows at the end."""
    from benchmarks.contest.work import Bucket, Editor, out_key, table_bytes, to_do

    store, editors = Bucket(bucket), [Editor(seconds) for _ in range(MODELS)]

    def work(key: str, editor: Editor) -> dict[str, Any]:
        out, row = editor.edit(key, store.get(key))
        store.put(out_key(key), out)
        return row

    with ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(work, to_do(store), cycle(editors)))
    if rows:
        store.put(f"rows/{os.getpid()}.parquet", table_bytes(rows))


class _Worker:
    """An actor: batches of keys in, rows out."""

    def __init__(self, bucket: str, seconds: float):
        from benchmarks.contest.work import Bucket, Editor

        self._store, self._editor = Bucket(bucket), Editor(seconds)

    def batch(self, keys: list[str]) -> list[dict[str, Any]]:
        """One photo after the other."""
        from benchmarks.contest.work import out_key

        rows = []
        for key in keys:
            out, row = self._editor.edit(key, self._store.get(key))
            self._store.put(out_key(key), out)
            rows.append(row)
        return rows


def actor_pool(bucket: str, seconds: float) -> None:
    """`ray.util.ActorPool`; rows at the end."""
    import ray
    from ray.util import ActorPool

    from benchmarks.contest.work import Bucket, chunks, table_bytes, to_do

    ray.init("local", num_cpus=MODELS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    store, actor = Bucket(bucket), ray.remote(_Worker)
    pool = ActorPool([actor.remote(bucket, seconds) for _ in range(MODELS)])
    done: Any = pool.map_unordered(lambda actor, keys: actor.batch.remote(keys), list(chunks(to_do(store), _BATCH)))
    rows = [row for batch in done for row in batch]
    if rows:
        store.put(f"rows/{os.getpid()}.parquet", table_bytes(rows))


def ray_data(bucket: str, seconds: float) -> None:
    """Ray Data's `map_batches` with its checkpoints by id, rows by `write_parquet`."""
    import pyarrow.fs
    import ray
    import ray.data
    from ray.data.checkpoint import CheckpointConfig

    from benchmarks.contest.work import Bucket

    ray.init("local", num_cpus=MODELS + 1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    host = os.environ["CONTEST_ENDPOINT"].removeprefix("http://")
    files = pyarrow.fs.S3FileSystem(endpoint_override=host, scheme="http", region="us-east-1")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.checkpoint_config = CheckpointConfig(
        id_column="key",
        checkpoint_path=f"{bucket}/checkpoints",
        override_filesystem=files,
        delete_checkpoint_on_success=False,
    )

    class Edits(_Worker):
        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            rows = self.batch(list(batch["key"]))
            return {name: [row[name] for row in rows] for name in rows[0]} if rows else batch

    keys = Bucket(bucket).keys("photos/")
    photos = ray.data.from_items([{"key": key} for key in keys], override_num_blocks=max(1, len(keys) // _BATCH))
    edited = photos.map_batches(
        Edits, fn_constructor_args=(bucket, seconds), concurrency=MODELS, batch_size=_BATCH, num_cpus=1
    )
    edited.write_parquet(f"{bucket}/rows", filesystem=files)


def prefect_ray(bucket: str, seconds: float) -> None:
    """Prefect's RayTaskRunner, one task run for each shard; rows with each shard."""
    from prefect import flow, task
    from prefect_ray import RayTaskRunner

    from benchmarks.contest.work import Bucket, chunks, table_bytes, to_do

    @task(retries=1)
    def shard(keys: list[str]) -> int:
        rows = _Worker(bucket, seconds).batch(keys)
        Bucket(bucket).put(f"rows/{rows[0]['sha256']}.parquet", table_bytes(rows))
        return len(rows)

    @flow(task_runner=RayTaskRunner(address="local", init_kwargs={"num_cpus": MODELS, "include_dashboard": False}))
    def all_shards() -> int:
        return sum(future.result() for future in [shard.submit(keys) for keys in chunks(to_do(Bucket(bucket)), SHARD)])

    all_shards()


PREFECT_RAY = "prefect-ray, a task per shard"
CONTESTANTS: dict[str, Callable[[str, float], None]] = {
    "oodinv": oodinv,
    "thread pool + boto3": threads,
    "ray.util.ActorPool": actor_pool,
    "Ray Data map_batches": ray_data,
    PREFECT_RAY: prefect_ray,
}

if __name__ == "__main__":
    CONTESTANTS[sys.argv[1]](sys.argv[2], float(sys.argv[3]) / 1000)
