"""Who is told how a training goes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

logger = logging.getLogger(__name__)


@runtime_checkable
class Listener(Protocol):
    """Is told how a training goes. In a training of several processes, only the first one's listeners are."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """After `step` steps, the means since the last time; `done` is the share of all steps, 0 to 1."""

    def sheet(self, step: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """The grid after `step` steps."""


class Listeners:
    """Several as one. What one of them cannot write, on a full disk say, ends no training: it is warned of once."""

    def __init__(self, listeners: Sequence[Listener] = ()):
        self._listeners, self._warned = tuple(listeners), set[int]()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Tell everybody."""
        self._tell(lambda listener: listener.scalars(step, values))

    def sheet(self, step: int, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Show everybody."""
        self._tell(lambda listener: listener.sheet(step, picture))

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            try:
                tell(listener)
            except OSError as error:
                if id(listener) not in self._warned:
                    self._warned.add(id(listener))
                    logger.warning(
                        "%s misses parts of this training, which goes on: %s", type(listener).__name__, error
                    )
