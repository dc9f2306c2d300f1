"""Every sample's own numbers, written batch by batch."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from oodinv.evaluation.reconstruction import Measured
from oodinv.evaluation.tally import Quantity


class SampleFile:
    """A Parquet file with a row per sample; columns `<metric>.<region>.<method>`, null where there is no number."""

    def __init__(self, folder: Path | None, dataset: str, bundle: str):
        self._path = None if folder is None else folder / f"{slug(dataset)}-{slug(bundle)}.parquet"
        self._writer: pq.ParquetWriter | None = None

    def write(self, index: np.ndarray, kinds: Sequence[str], hashes: Sequence[str], measured: Measured) -> None:
        """Add a batch. `failed` is true where any picture of the sample was not finite or without a face."""
        if self._path is None:
            return
        columns: dict[str, pa.Array] = {
            "sample": pa.array(index, pa.int64()),
            "crop_hash": pa.array([hashes[i] for i in index], pa.string()),
            "kind": pa.array(kinds, pa.string()),
            "failed": pa.array(np.any([bad for _, bad in measured.values()], axis=0), pa.bool_()),
        }
        for quantity, (values, _) in measured.items():
            if "@" not in quantity.metric:
                columns[column_name(quantity)] = pa.array(values, pa.float64(), from_pandas=True)
        table = pa.table(columns)
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def column_name(quantity: Quantity) -> str:
    """`psnr.face.full`."""
    return f"{quantity.metric}.{quantity.region}.{quantity.method.replace(' ', '_')}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:80] or "x"
