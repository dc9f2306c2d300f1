"""Which samples count together."""

from collections.abc import Sequence

import numpy as np

ALL, WORN, NONE = "all", "worn", "none"


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
