"""Every sample's own numbers, written batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.reconstruction import Measured
from oodinv.evaluation.tally import Quantity


class SampleFile:
    """A Parquet file with a row per sample; columns `<metric>.<region>.<method>`, null where there is no number.

    It gets its name when it is whole; what was begun and not finished is removed.

    Args:
        folder: Where it goes; None = nothing is kept.
        number: Of the file, since two names can become one part of a file's name.
        dataset: Name.
        bundle: Name.
    """

    def __init__(self, folder: Path | None, number: int, dataset: str, bundle: str):
        self._path = None if folder is None else folder / f"{number:02d}-{slug(dataset)}-{slug(bundle)}.parquet"
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "SampleFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        """Finish the file, or remove what there is of it."""
        if self._path is None or self._writer is None:
            return
        partial = _partial(self._path)
        try:
            with _told(self._path):
                self._writer.close()
                if kind is None:
                    partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)

    def write(self, index: np.ndarray, kinds: Sequence[str], hashes: Sequence[str], measured: Measured) -> None:
        """Add a batch. `failed` is true where any picture of the sample was not finite or without a face.

        Raises:
            EvaluationError: The disk is full or the folder cannot be written.
        """
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
        with _told(self._path):
            if self._writer is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(_partial(self._path), table.schema)
            self._writer.write_table(table)


def check_writable(folder: Path) -> None:
    """Write and remove a small file, before hours of measuring.

    Raises:
        EvaluationError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
    with _told(folder):
        probe = folder / ".writable.partial"
        probe.write_bytes(bytes(4096))
        probe.unlink()


def column_name(quantity: Quantity) -> str:
    """`psnr.face.full`."""
    return f"{quantity.metric}.{quantity.region}.{quantity.method.replace(' ', '_')}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:80] or "x"


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"{path} cannot be written: {error.strerror or error}; free space, or name another folder"
        ) from error
