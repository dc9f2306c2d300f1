"""Key tables: which of our weights stands under which name in a published file, and in which shape.

A table is read from our side: every weight of the network an import wants has one row, so that what is missing,
misshaped or unknown in a file is known exactly, and an export is the same table read the other way.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from oodinv.bundles.spec import BundleError

Shape = tuple[int, ...]
Numbers = tuple[int, ...]

_SHOWN = 4
_LARGEST_EXPANSION = 2**20
"""Numbers a tensor may pretend to have by repeating stored ones."""


def leading_one(shape: Shape) -> Shape:
    """A kernel with an axis for the sample before it."""
    return (1, *shape)


def as_map(shape: Shape) -> Shape:
    """A bias that is added to a batch of maps."""
    return (1, *shape, 1, 1)


def one_number(_: Shape) -> Shape:
    """A scalar with an axis."""
    return (1,)


def one_less(number: int) -> Numbers:
    """Their first layer has a name of its own, the others count from 0."""
    return (number - 1,)


def one_more(number: int) -> Numbers:
    """Their layer 0 has no weights."""
    return (number + 1,)


@dataclass(frozen=True)
class Row:
    """One row: `{}` stands for a number, `*` for a last name (`weight`, `bias`, `running_mean`, …) both sides share."""

    theirs: str
    ours: str
    number: Callable[..., Numbers] = field(default=lambda *numbers: numbers, kw_only=True)
    """Our numbers to theirs."""
    shape: Callable[[Shape], Shape] = field(default=lambda shape: shape, kw_only=True)
    """Our shape to theirs; the numbers are the same in the same order."""

    def name(self, ours: str) -> str | None:
        """Their name of one of our weights; None when the row is not about it."""
        found = re.fullmatch(_regex(self.ours), ours)
        if found is None:
            return None
        numbers = self.number(*(int(text) for text in found.groups() if text.isdigit()))
        return self.theirs.format(*numbers).replace("*", found.groups()[-1] if "*" in self.ours else "*")


def matches(pattern: str, key: str) -> bool:
    """Whether a pattern with `{}` and `*` is about a key."""
    return re.fullmatch(_regex(pattern), key) is not None


def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\{\}", r"(\d+)").replace(r"\*", r"([a-z_]+)")


def weights_of(make: Callable[[], nn.Module]) -> dict[str, Shape]:
    """Names and shapes of a network's weights, without making them; counters of batch norm are no weights."""
    with torch.device("meta"):
        network = make()
    return {k: tuple(v.shape) for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}


def their_names(rows: Sequence[Row], weights: Iterable[str]) -> dict[str, tuple[str, Row]]:
    """Their name and row for each of our weights; the first row that is about it."""
    found = {}
    for ours in weights:
        name, row = next((name, row) for row in rows if (name := row.name(ours)) is not None)
        found[ours] = (name, row)
    return found


def to_ours(
    tensors: Mapping[str, Tensor],
    rows: Sequence[Row],
    weights: Mapping[str, Shape],
    *,
    what: str,
    dropped: Sequence[str] = (),
    optional: str = "",
) -> dict[str, Tensor]:
    """Translate a published state dict.

    Args:
        tensors: Under the publisher's names.
        rows: The layout's table.
        weights: Ours, with shapes; see `weights_of`.
        what: What the file claims to be, for errors.
        dropped: Patterns of published names that are known and not needed.
        optional: Pattern of our names that a file may lack; `{}` numbers only.

    Returns:
        Views of the tensors under our names, without what was optional and lacking.

    Raises:
        BundleError: Weights are missing, unknown, of another shape, no floating point numbers, NaN or infinite.
    """
    names = their_names(rows, weights)
    missing, misshaped, found = [], [], {}
    for ours, (theirs, row) in names.items():
        wanted = row.shape(weights[ours])
        if theirs not in tensors:
            if not (optional and matches(optional, ours)):
                missing.append(f"{theirs} {wanted}")
            continue
        tensor = tensors[theirs]
        if tuple(tensor.shape) != wanted:
            misshaped.append(f"{theirs} must have shape {wanted}, got {tuple(tensor.shape)}")
            continue
        found[ours] = tensor
    known = {theirs for theirs, _ in names.values()}
    unknown = [k for k in tensors if k not in known and not any(matches(p, k) for p in dropped)]
    problems = [
        f"{len(told)} {kind}: {', '.join(told[:_SHOWN])}{', …' if len(told) > _SHOWN else ''}"
        for kind, told in (("missing", missing), ("of another shape", misshaped), ("unknown", unknown))
        if told
    ]
    if problems:
        raise BundleError(f"{what} does not hold the weights of its layout: {'; '.join(problems)}")
    for ours, tensor in found.items():
        check_numbers(tensor, f"{what}: {names[ours][0]}")
    return {ours: tensor.detach().reshape(weights[ours]) for ours, tensor in found.items()}


def to_theirs(weights: Mapping[str, Tensor], rows: Sequence[Row]) -> dict[str, Tensor]:
    """Our weights under the publisher's names and in their shapes."""
    return {
        theirs: weights[ours].reshape(row.shape(tuple(weights[ours].shape))).contiguous()
        for ours, (theirs, row) in their_names(rows, weights).items()
    }


def check_numbers(tensor: Tensor, what: str) -> None:
    """Refuse what is no weight.

    Raises:
        BundleError: Not floating point, or NaN or infinite numbers.
    """
    if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise BundleError(
            f"{what} must hold floating point numbers, got {tensor.dtype} ({tensor.layout}, {tensor.device})"
        )
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() > max(stored, _LARGEST_EXPANSION):
        raise BundleError(
            f"{what} has shape {tuple(tensor.shape)}, the file stores {stored} numbers for it: it is hostile"
        )
    if not torch.isfinite(tensor).all():
        raise BundleError(f"{what} holds NaN or infinite numbers: the file is damaged or its training diverged")


def axis(tensors: Mapping[str, Tensor], key: str, index: int, num_axes: int, what: str) -> int:
    """Length of one axis of a weight that tells a network's shape.

    Raises:
        BundleError: There is no such weight, or it has another number of axes.
    """
    if key not in tensors:
        raise BundleError(f"{what} does not hold the weights of its layout: missing {key}")
    shape = tuple(tensors[key].shape)
    if len(shape) != num_axes:
        raise BundleError(f"{what}: {key} must have {num_axes} axes, got shape {shape}")
    return shape[index]


def count(tensors: Mapping[str, Tensor], pattern: str, *, first: int = 0) -> int:
    """How many numbers from `first` on, without a gap, make a pattern with one `{}` a name in the file."""
    number = first
    while pattern.format(number) in tensors:
        number += 1
    return number - first
