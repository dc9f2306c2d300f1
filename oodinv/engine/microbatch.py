"""As many items for one call of the networks as memory has room for."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

ON_A_CPU, ON_A_GPU = 1, 16
"""Faces for each call unless somebody says otherwise."""

# What RuntimeErrors say that are no torch.OutOfMemoryError: the CPU's allocator, CUDA outside torch's own allocator,
# and the libraries that ask for a workspace of their own.
_SAID = ("out of memory", "DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
_SAID_BY_LIBRARIES = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def default_microbatch(device: str) -> int:
    """Faces for each call on a device: on a CPU more of them gain nothing."""
    return ON_A_CPU if torch.device(device).type == "cpu" else ON_A_GPU


def is_out_of_memory(error: BaseException) -> bool:
    """Whether fewer items at once may help."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in (*_SAID, *_SAID_BY_LIBRARIES))


class Microbatch:
    """Calls a function over items, so many at once; halves that number when memory runs out, and remembers it."""

    def __init__(self, size: int):
        """Nothing is tried yet.

        Args:
            size: Most items for one call, from 1.
        """
        if size < 1:
            raise ValueError(f"expected a microbatch of at least 1, got {size}")
        self._size = size

    @property
    def size(self) -> int:
        """Most items for one call, as far as is known by now. Never grows."""
        return self._size

    def __call__(self, call: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
        """Call a function over chunks of items, in their order.

        Args:
            call: Gives one result for each item; may be called again with the same items.
            items: Any number of them.

        Returns:
            The results, in the order of the items.

        Raises:
            Exception: Whatever `call` raised, at once; when memory runs out, only if it does so for a single item.
        """
        results: list[R] = []
        while len(results) < len(items):
            chunk = items[len(results) : len(results) + self._size]
            made = self._attempt(call, chunk)
            if made is None:
                # Here and not where it was caught: there the exception's frames still hold the tensors.
                if torch.cuda.is_initialized():
                    torch.cuda.empty_cache()
                continue
            if len(made) != len(chunk):
                raise ValueError(f"expected a result for each of {len(chunk)} items, got {len(made)}")
            results += made
        return results

    def _attempt(self, call: Callable[[Sequence[T]], Sequence[R]], chunk: Sequence[T]) -> Sequence[R] | None:
        """The results; None when there was no memory for so many, and from now on there will be fewer."""
        try:
            return call(chunk)
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(chunk) == 1:
                raise
            # Of the chunk, which may be the last, short one: half of the full size might be as many again.
            self._size = (len(chunk) + 1) // 2
            logger.warning("out of memory with %d faces at once; from here on at most %d", len(chunk), self._size)
            return None
