"""One edit: an attribute and how far to move it. Text form: `smile=+1.5`, several joined by commas."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Named in full where they are used: reading an edit's text must not load torch, which takes a second.
    import torch

    import oodinv.edits.raw

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST_SLUG = 150


class EditError(ValueError):
    """The text is not an edit, or the bundle does not have it."""


@dataclass(frozen=True, order=True)
class Edit:
    """Move an attribute by `strength` units; the bundle says what its unit is."""

    name: str
    strength: float

    def __post_init__(self):
        """Refuse what cannot be written into a product's name."""
        if not _NAME.fullmatch(self.name):
            raise EditError(f"an edit's name is lower-case letters, digits and _ (like smile), got {self.name[:40]!r}")
        if not math.isfinite(self.strength) or abs(self.strength) > 99:
            raise EditError(f"an edit's strength is a number between -99 and 99, got {self.strength}")

    @staticmethod
    def raw(
        direction: "torch.Tensor", strength: float, *, layers: tuple[int, int] | None = None
    ) -> "oodinv.edits.raw.RawEdit":
        """An edit by any direction tensor, combined with named ones at will.

        Args:
            direction: [style_dim] or [1, style_dim] for several rows of `w_plus`, [num_layers, style_dim] or
                [1, num_layers, style_dim] for each row its own, or a flat StyleSpace vector [style_channels].
            strength: Multiplied with it.
            layers: Rows of `w_plus` it moves: from, to (exclusive); None = all. Without effect in StyleSpace.

        Raises:
            EditError: Not finite numbers. Whether the shape fits is known when the edit meets a bundle.
        """
        from oodinv.edits.raw import RawEdit

        return RawEdit(direction=direction, strength=strength, layers=layers)


def parse_edit(text: str) -> tuple[Edit, ...]:
    """Read one `--edit` value.

    Args:
        text: `smile=+1.5`, or several that make one combined edit: `smile=+1.5,age=-1`. `identity` is the
            reconstruction without an edit.

    Returns:
        The edits sorted by name; empty for `identity`.

    Raises:
        EditError: The text does not have this form, names an attribute twice, or so many that no name can hold them.
    """
    if text.strip() == "identity":
        return ()
    edits = []
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        try:
            strength = float(number)
        except ValueError:
            strength = math.nan
        if not equals or math.isnan(strength):
            raise EditError(f"expected an edit like smile=+1.5 or smile=+1.5,age=-1, got {text[:80]!r}")
        # Rounded to what the product's name shows, so that one name never stands for two strengths.
        edits.append(Edit(name.strip(), round(strength, 2) + 0.0))
    names = [edit.name for edit in edits]
    if len(set(names)) < len(names):
        raise EditError(f"every attribute may appear once in an edit, got {text[:80]!r}: add the strengths up")
    if len(edit_slug(tuple(edits))) > _LONGEST_SLUG:
        raise EditError(f"expected fewer attributes in one edit, got {len(edits)}, whose names together are too long")
    return tuple(sorted(edits))


def format_edits(edits: tuple[Edit, ...]) -> str:
    """The text form that `parse_edit` reads."""
    return ",".join(f"{edit.name}={edit.strength:+.2f}" for edit in edits) or "identity"


def edit_slug(edits: tuple[Edit, ...]) -> str:
    """A name for files and products in `[a-z0-9._-]`: `smile_p1.50`, `age_m1.00-smile_p1.50`, `identity`."""
    parts = [f"{edit.name}_{'m' if edit.strength < 0 else 'p'}{abs(edit.strength):.2f}" for edit in edits]
    return "-".join(parts) or "identity"
