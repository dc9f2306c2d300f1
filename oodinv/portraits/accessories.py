"""Things that a generator of clean portraits has never seen, put on or before a head.

Every accessory is opaque, so its mask is exact. The kinds in `HELD_OUT_KINDS` are for tests only: nothing is trained
on them, so they show whether a mask carries over to what it was not taught.
"""

from collections.abc import Callable

import numpy as np

from oodinv.portraits.eyewear import glasses, sunglasses
from oodinv.portraits.handheld import blob, microphone
from oodinv.portraits.heads import Head
from oodinv.portraits.headwear import cap, hat
from oodinv.portraits.held_out import face_mask, headphones
from oodinv.portraits.surfaces import Surface

Rng = np.random.Generator


_MAKERS: dict[str, Callable[[Head, Rng], list[Surface]]] = {
    "glasses": glasses,
    "sunglasses": sunglasses,
    "hat": hat,
    "cap": cap,
    "blob": blob,
    "microphone": microphone,
    "face_mask": face_mask,
    "headphones": headphones,
}
HELD_OUT_KINDS: tuple[str, ...] = ("face_mask", "headphones")
TRAINING_KINDS: tuple[str, ...] = tuple(kind for kind in _MAKERS if kind not in HELD_OUT_KINDS)


def accessory_surfaces(kind: str, head: Head, seed: int) -> list[Surface]:
    """Make an accessory for a head that looks straight ahead.

    Args:
        kind: One of ``TRAINING_KINDS`` or ``HELD_OUT_KINDS``.
        head: The head that wears it.
        seed: Determines colour, size and form.

    Raises:
        ValueError: The kind is unknown.
    """
    if kind not in _MAKERS:
        raise ValueError(f"unknown accessory {kind!r}: expected one of {', '.join(sorted(_MAKERS))}")
    return _MAKERS[kind](head, np.random.default_rng([seed, 1]))
