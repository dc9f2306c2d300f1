"""A training's curves and grids for TensorBoard."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

logger = logging.getLogger(__name__)


class TensorBoard:
    """Listens to a training; writes event files into a folder."""

    def __init__(self, writer: Any):
        self._writer = writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def sheet(self, step: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Add a picture."""
        self._writer.add_image("samples", picture, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def tensorboard(folder: Path, *, step: int = 0) -> TensorBoard | None:
    """A listener that writes into a folder; None, with a line in the log, where TensorBoard is not installed.

    Args:
        folder: Of the event files.
        step: Steps done: points after it, of a run that was killed, are no longer shown; 0 = a new training.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning(
            "TensorBoard is not installed, so there are no curves for it; log.jsonl and grids/ have the same. "
            "pip install 'oodinv[train]' brings it"
        )
        return None
    return TensorBoard(SummaryWriter(str(folder), purge_step=step + 1 if step else None))
