"""Pictures of anything, of any shape, that occlusions are cut from."""

import logging
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from oodinv.training.data import DatasetError
from oodinv.training.data.photos import images_below
from oodinv.training.data.pieces import BrokenPicture, Piece, decode_centre

logger = logging.getLogger(__name__)


def read_photographs(folder: Path, size: int, *, most: int = 512) -> UInt8[Tensor, "photographs 3 {size} {size}"]:
    """The central squares of a folder's images, scaled to a size; what cannot be read is skipped with a warning.

    Args:
        folder: Searched with all folders below it.
        size: Side of the results in pixels.
        most: Of more images than this, so many are taken, spread over the folder, whose order often goes by subject.

    Raises:
        DatasetError: The folder has no usable images.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder: name one with photographs")
    paths = images_below(folder)
    chosen = [paths[at] for at in np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int)]
    squares, broken = [], []
    for path in chosen:
        try:
            squares.append(decode_centre(Piece(path=folder / path).read(), size))
        except BrokenPicture as error:
            broken.append(f"{path}: {error}")
    if not squares:
        raise DatasetError(
            f"{folder} has no photographs that can be read ({'; '.join(broken[:3]) or 'no images'}): name a folder "
            "with pictures of anything, of any shape"
        )
    if broken:
        logger.warning("%d photographs in %s are skipped: %s", len(broken), folder, "; ".join(broken[:3]))
    return torch.from_numpy(np.stack(squares))
