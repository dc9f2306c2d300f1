"""Sweeps: one edit at several strengths, `smile=-2:2:5`."""

import itertools
import math

from oodinv.edits.edit import EditError, format_edits, parse_edit

MOST_PRODUCTS = 1_000


def expand_edits(text: str) -> tuple[str, ...]:
    """Read one `--edit` value that may hold sweeps.

    Args:
        text: `smile=-2:2:5` is five edits with strengths from -2 to 2, evenly spaced and rounded to two decimals;
            `smile=-2:2:3,age=1` is three combined ones; two sweeps give every pair, the last one named changing
            fastest. Text without a sweep is one edit.

    Returns:
        The canonical text of each edit, as `format_edits` writes it, in the order of the sweep.

    Raises:
        EditError: What `parse_edit` refuses, a sweep that is not `from:to:count` with count from 2, steps that are the
            same after rounding, or more than 1,000 edits.
    """
    choices = [_steps(part) for part in text.split(",")]
    count = math.prod(map(len, choices))
    if count > MOST_PRODUCTS:
        raise EditError(f"{text[:80]!r} makes {count} edits, expected at most {MOST_PRODUCTS}: take fewer steps")
    return tuple(format_edits(parse_edit(",".join(parts))) for parts in itertools.product(*choices))


def _steps(part: str) -> list[str]:
    """`smile=0:1:2` as its edits; anything else as it is."""
    name, _, number = part.partition("=")
    if ":" not in number:
        return [part]
    refused = EditError(
        f"expected a sweep like smile=-2:2:5 (from, to, number of edits from 2 to {MOST_PRODUCTS}), got {part[:80]!r}"
    )
    try:
        low, high, count = number.split(":")
        first, last, many = float(low), float(high), int(count)
    except ValueError:
        raise refused from None
    if not (math.isfinite(first) and math.isfinite(last) and 2 <= many <= MOST_PRODUCTS):
        raise refused
    step = (last - first) / (many - 1)
    strengths = [round(first + step * index, 2) for index in range(many - 1)] + [round(last, 2)]
    if len(set(strengths)) < many:
        raise EditError(
            f"the steps of {part[:80]!r} are less than 0.01 apart, and strengths have two decimals: take fewer steps"
        )
    return [f"{name}={strength}" for strength in strengths]
