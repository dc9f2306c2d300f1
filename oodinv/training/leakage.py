"""What a direction does to each attribute, measured on drawn faces: gains, leakage, and how far it stays in line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Measure = Callable[[Tensor], Tensor]
"""Styles [batch, style_dim] to standardised attributes [batch, attributes] of the faces they draw."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """How the attributes of faces follow one direction."""

    strengths: tuple[float, ...]
    moved: Float[Tensor, "strengths attributes"]
    """Mean change of each attribute against strength 0."""

    @property
    def gain(self) -> Float[Tensor, " attributes"]:
        """Change per unit of strength: least squares through 0 over strengths of at most 1."""
        s = torch.tensor(self.strengths, dtype=self.moved.dtype)
        near = s.abs() <= 1
        return (s[near] @ self.moved[near]) / s[near].square().sum()


@torch.no_grad()
def measure_response(
    measure: Measure,
    w: Float[Tensor, "count style_dim"],
    direction: Float[Tensor, " style_dim"],
    strengths: Sequence[float],
    start: Float[Tensor, "count attributes"] | None = None,
) -> Response:
    """Draw the same faces at several strengths.

    Args:
        measure: Draws and reads.
        w: The faces.
        direction: Added times the strength.
        strengths: With at least one of at most 1 that is not 0.
        start: What the faces measure at strength 0, where it is known; else they are drawn for it.
    """
    if start is None:
        start = measure(w)
    moved = [(measure(w + strength * direction) - start).mean(dim=0) for strength in strengths]
    return Response(strengths=tuple(strengths), moved=torch.stack(moved))


def disentangle(
    directions: Mapping[str, Float[Tensor, " style_dim"]],
    gains: Float[Tensor, "directions attributes"],
    attributes: Sequence[str],
    *,
    ridge: float = 0.05,
) -> dict[str, Float[Tensor, " style_dim"]]:
    """Combine directions so that each moves its own attribute by 1 and the others' by 0, as far as they can.

    Only attributes that have a direction take part: with one direction per attribute there is nothing that another
    attribute's change could be taken away with.

    With D the directions and G their gains, the rows of A D have gains A G. A minimises |A G - I|² + ridge |A - A₀|²,
    where A₀ only rescales each direction to a gain of 1: what cannot be measured well is left as it was.

    Args:
        directions: One per attribute of the same name, in the order of the gains' rows.
        gains: Measured, per unit.
        attributes: Names of the gains' columns; each direction's is among them.
        ridge: Weight of staying; larger where measurements are noisy.

    Raises:
        ValueError: A direction does not move its own attribute: it cannot be scaled to.
    """
    names = list(directions)
    columns = [list(attributes).index(name) for name in names]
    gains = gains[:, columns].double()
    own = gains.diagonal()
    weak = [name for name, gain in zip(names, own.tolist(), strict=True) if abs(gain) < 0.05]
    if weak:
        raise ValueError(
            f"the direction of {', '.join(weak)} moves its own attribute by less than 0.05 standard deviations: the "
            "generator does not draw it, or the regressor does not see it"
        )
    start = torch.diag(1 / own)
    eye = torch.eye(len(names), dtype=torch.float64)
    combined = torch.linalg.solve(gains @ gains.T + ridge * eye, gains @ eye.T + ridge * start.T).T
    # Whatever the ridge has left of it, +1 is one standard deviation.
    combined = combined / (combined @ gains).diagonal()[:, None]
    stacked = torch.stack([directions[name].double() for name in names])
    return {name: row.float() for name, row in zip(names, combined @ stacked, strict=True)}


def safe_range(
    strengths: Sequence[float | int], moved: Sequence[float | int], gain: float, *, tolerance: float = 0.35
) -> tuple[float, float]:
    """Strengths around 0 at which an attribute still follows its direction in a straight line.

    Args:
        strengths: Measured, rising, on both sides of 0.
        moved: Mean change of the direction's own attribute at each.
        gain: Change per unit near 0.
        tolerance: How far the change may be from gain · strength, as a share of it.

    Returns:
        Lowest and highest strength reached without a break; (-1, 1) at least, the unit it was scaled by.
    """
    followed = {s: abs(m - gain * s) <= tolerance * abs(gain * s) for s, m in zip(strengths, moved, strict=True) if s}
    ends = []
    for side in (-1, 1):
        end = 1.0
        for strength in sorted((s for s in followed if s * side > 0), key=abs):
            if not followed[strength] and abs(strength) > 1:
                break
            end = max(end, abs(float(strength)))
        ends.append(side * end)
    return ends[0], ends[1]
