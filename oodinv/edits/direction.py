"""One direction: what is added to the latents for strength 1."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from oodinv.edits.edit import EditError
from oodinv.edits.shape import GeneratorShape, Space

SAFE_RANGE = (-3.0, 3.0)
RAW = "1 = the direction as it came, not calibrated"


@dataclass(frozen=True, kw_only=True)
class Direction:
    """A direction that fits a generator."""

    tensor: Float[Tensor, "*shape"] = field(repr=False)
    """[style_dim], [num_layers, style_dim] or [style_channels], by `space`; finite and not all zero."""

    space: Space

    layers: tuple[int, int]
    """Rows of `w_plus` it moves: from, to (exclusive). Rows of a `w_plus` direction outside are zero; without meaning
    in StyleSpace."""

    unit: str | None
    """What strength 1 means; None = whatever length the file had, `calibrate` gives it a meaning."""

    safe_range: tuple[float, float] = SAFE_RANGE
    """Strengths that give faces; beyond them a warning."""


def take_layers(options: dict[str, str], shape: GeneratorShape) -> tuple[int, int]:
    """Take `layers=A:B` out of the options; all rows when it is not there.

    Raises:
        EditError: Not two numbers, or not rows of the generator.
    """
    text = options.pop("layers", f"0:{shape.num_layers}")
    wanted = f"layers=A:B, whole numbers with 0 <= A < B <= {shape.num_layers} for this generator"
    first, last = _two_numbers(text, wanted)
    if not (0 <= first < last <= shape.num_layers and first % 1 == last % 1 == 0):
        raise EditError(f"expected {wanted}, got {text[:40]!r}")
    return int(first), int(last)


def take_safe_range(options: dict[str, str]) -> tuple[float, float]:
    """Take `safe=LOW:HIGH` out of the options.

    Raises:
        EditError: Not two numbers, the lower first.
    """
    low, high = SAFE_RANGE
    if "safe" in options:
        text = options.pop("safe")
        low, high = _two_numbers(text, "safe=LOW:HIGH, like safe=-2:2")
        if not -99 <= low < high <= 99:
            raise EditError(f"expected safe=LOW:HIGH with -99 <= LOW < HIGH <= 99, got {text[:40]!r}")
    return low, high


def take_unit(options: dict[str, str]) -> str | None:
    """Take `unit=raw` out of the options; None when the direction is to be calibrated.

    Raises:
        EditError: Another unit.
    """
    unit = options.pop("unit", None)
    if unit not in (None, "raw"):
        raise EditError(
            f"expected unit=raw (the direction's own length), or no unit to have it calibrated, got {unit[:40]!r}"
        )
    return None if unit is None else RAW


def no_more(options: dict[str, str], name: str, known: tuple[str, ...]) -> None:
    """Refuse what is left in the options.

    Raises:
        EditError: With the options this kind of direction has.
    """
    if options:
        raise EditError(f"{name}: unknown option {sorted(options)[0][:40]!r}, this kind takes {', '.join(known)}")


def _two_numbers(text: str, wanted: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise EditError(f"expected {wanted}, got {text[:40]!r}") from None
