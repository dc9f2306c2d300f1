"""How this process keeps memory that was freed."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Let this process reuse freed memory instead of handing it back to the system.

    Feature maps of tens of megabytes are made and freed hundreds of times for each face. By default each one is mapped
    anew, and the first touch of its pages costs more than most layers' arithmetic. For processes that belong to the
    model: an actor, a command. Call it before large tensors are made.

    Returns:
        Whether the C library has the switch (glibc); elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # musl
    kept = mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    # Older versions take no threshold above 32 MiB.
    return bool((mallopt(_MMAP_THRESHOLD, 2**30) or mallopt(_MMAP_THRESHOLD, 2**25)) and kept)
