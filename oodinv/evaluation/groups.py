"""Which samples count together."""

from collections.abc import Sequence

import numpy as np

ALL, WORN, NONE = "all", "worn", "none"
ATTACHED, HELD, OVERLAY = "attached", "held", "overlay"
HELD_KINDS, OVERLAY_KINDS = frozenset({"hand", "microphone", "object"}), frozenset({"text", "texture"})
"""Portraits' accessories that stay when the head turns: before it in the scene, or laid over the photo."""


def accessory_groups(kinds: Sequence[str], *, known: bool) -> dict[str, np.ndarray]:
    """All samples; those with and without an accessory; each kind.

    Args:
        kinds: Accessory of each sample, empty = none.
        known: Whether the dataset knows; else all samples are the only group.
    """
    groups = {ALL: np.ones(len(kinds), dtype=bool)}
    if not known:
        return groups
    names = np.array(kinds, dtype=object)
    groups |= {kind: names == kind for kind in sorted({kind for kind in kinds if kind})}
    groups[NONE], groups[WORN] = names == "", names != ""
    return {name: members for name, members in groups.items() if members.any()}


def attachment_groups(kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Samples whose accessory turns with the head, is held before it, or lies over the photo."""
    sorts = [HELD if kind in HELD_KINDS else OVERLAY if kind in OVERLAY_KINDS else ATTACHED for kind in kinds]
    return {
        name: np.array([bool(kind) and sort == name for kind, sort in zip(kinds, sorts, strict=True)], dtype=bool)
        for name in (ATTACHED, HELD, OVERLAY)
    }
