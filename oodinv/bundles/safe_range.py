"""Strengths beyond what a bundle calls safe: done all the same, but said."""

import logging
from collections.abc import Iterable

from oodinv.bundles.spec import BundleSpec
from oodinv.edits import Edit

logger = logging.getLogger(__name__)


def warn_beyond_safe_range(spec: BundleSpec, products: Iterable[Iterable[Edit]]) -> None:
    """Log one warning that names every edit that goes further than the bundle calls safe, and the range."""
    asked: dict[str, list[float]] = {}
    for edits in products:
        for edit in edits:
            low, high = spec.edits[edit.name].safe_range
            if not low <= edit.strength <= high:
                asked.setdefault(edit.name, []).append(edit.strength)
    if not asked:
        return
    told = []
    for name, strengths in sorted(asked.items()):
        low, high = spec.edits[name].safe_range
        ends = sorted({min(strengths), max(strengths)})
        told.append(f"{name}={' and '.join(f'{end:+g}' for end in ends)} (safe from {low:g} to {high:g})")
    logger.warning(
        "beyond the range bundle %r calls safe, so faces may come out damaged: %s", spec.name, ", ".join(told)
    )
