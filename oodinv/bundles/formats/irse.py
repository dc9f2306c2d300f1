"""The IR-SE backbone under its published names, the part e4e, pSp, ReStyle and the identity network share.

Layout: `input_layer.{0,1,2}` is the stem; `body.N` are all residual units numbered through, each with `res_layer.0..5`
(5 is squeeze-and-excitation: `fc1`, `fc2`) and, where channels change, `shortcut_layer.{0,1}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from oodinv.bundles.formats.table import Numbers, Row, axis, count
from oodinv.bundles.spec import BundleError

COUNTERS = (
    "input_layer.{}.num_batches_tracked",
    "body.{}.res_layer.{}.num_batches_tracked",
    "body.{}.shortcut_layer.{}.num_batches_tracked",
)
"""How many batches a norm was trained on: known, not needed."""

Four = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class BackboneShape:
    """What the names and shapes of a backbone tell."""

    num_in: int
    """Channels of the image."""
    stem_width: int
    widths: Four
    units: Four


def is_backbone(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has an IR-SE backbone in it."""
    return "input_layer.0.weight" in tensors and "body.0.res_layer.5.fc1.weight" in tensors


def backbone_shape(tensors: Mapping[str, Tensor], what: str) -> BackboneShape:
    """Widths and units per stage: a stage begins with the first unit, and wherever a unit has a shortcut.

    Raises:
        BundleError: There are not four stages.
    """
    num_units = count(tensors, "body.{}.res_layer.1.weight")
    starts = [n for n in range(num_units) if n == 0 or f"body.{n}.shortcut_layer.0.weight" in tensors]
    if len(starts) != 4:
        raise BundleError(
            f"{what}: expected a backbone of four stages, every one after the first beginning with a projecting "
            f"shortcut, got {num_units} units in {len(starts)} stages"
        )
    widths = tuple(axis(tensors, f"body.{n}.res_layer.1.weight", 0, 4, what) for n in starts)
    units = tuple(end - start for start, end in zip(starts, [*starts[1:], num_units], strict=True))
    return BackboneShape(
        num_in=axis(tensors, "input_layer.0.weight", 1, 4, what),
        stem_width=axis(tensors, "input_layer.0.weight", 0, 4, what),
        widths=(widths[0], widths[1], widths[2], widths[3]),
        units=(units[0], units[1], units[2], units[3]),
    )


def backbone_rows(units: Four) -> tuple[Row, ...]:
    """The table of a backbone with these units per stage."""
    through = numbered_through(units)
    return (
        Row("input_layer.{}.*", "stem.{}.*"),
        Row("body.{}.res_layer.5.fc1.*", "stages.{}.{}.body.5.squeeze.*", number=through),
        Row("body.{}.res_layer.5.fc2.*", "stages.{}.{}.body.5.excite.*", number=through),
        Row("body.{}.res_layer.{}.*", "stages.{}.{}.body.{}.*", number=through),
        Row("body.{}.shortcut_layer.{}.*", "stages.{}.{}.shortcut.{}.*", number=through),
    )


def numbered_through(units: Four) -> Callable[..., Numbers]:
    """Stage and unit to the number of the unit among all; what follows stays."""

    def number(stage: int, unit: int, *rest: int) -> Numbers:
        return sum(units[:stage]) + unit, *rest

    return number


def head_rows() -> tuple[Row, ...]:
    """The table of style heads on a backbone."""
    return (
        Row("styles.{}.convs.{}.*", "heads.{}.convs.{}.*"),
        Row("styles.{}.linear.*", "heads.{}.linear.*"),
    )


def head_depths(tensors: Mapping[str, Tensor], what: str) -> list[int]:
    """Convolutions of each style head; every one is followed by an activation without weights.

    Raises:
        BundleError: There are none, or so many that the image would be larger than any encoder reads.
    """
    depths = []
    for head in range(count(tensors, "styles.{}.linear.weight")):
        depth = 0
        while f"styles.{head}.convs.{2 * depth}.weight" in tensors:
            depth += 1
        depths.append(depth)
    if not depths or not 1 <= depths[0] <= 5:
        raise BundleError(f"{what}: expected style heads of 1 to 5 convolutions at the coarsest level, got {depths}")
    return depths
