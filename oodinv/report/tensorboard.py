"""A training's curves and grids for TensorBoard."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

logger = logging.getLogger(__name__)


class TensorBoard:
    """Listens to a training; writes event files into a folder."""

    def __init__(self, open_writer: Callable[[], Any]):
        """Nothing is opened before there is something to write: by then the training has its folder to itself.

        Args:
            open_writer: Gives a `SummaryWriter`.
        """
        self._open, self._opened = open_writer, None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        writer = self._writer()
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    def sheet(self, step: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Add a picture."""
        writer = self._writer()
        writer.add_image("samples", picture, step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._opened is not None:
            self._opened.close()

    def _writer(self) -> Any:
        if self._opened is None:
            self._opened = self._open()
        return self._opened


def tensorboard(folder: Path, *, step: int = 0) -> TensorBoard | None:
    """A listener that writes into a folder; None, with a line in the log, where TensorBoard is not installed.

    Args:
        folder: Of the event files.
        step: Steps done: points after it, of a run that was killed, are no longer shown.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning(
            "TensorBoard is not installed, so there are no curves for it; log.jsonl and grids/ have the same. "
            "pip install 'oodinv[train]' brings it"
        )
        return None
    return TensorBoard(lambda: SummaryWriter(str(folder), purge_step=step + 1))
