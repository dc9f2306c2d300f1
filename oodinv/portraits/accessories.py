"""Things that a generator of clean portraits has never seen, put on, before or over a head.

Every kind has several designs, and each design belongs to one split: what a model is validated or tested with, it was
never trained on. Face masks and headphones are kinds that no training sees at all.

Things in the scene are opaque, so their mask is exact; writing and patches over the photo have an alpha of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from oodinv.portraits.covers import face_mask, headphones
from oodinv.portraits.errors import PortraitsError
from oodinv.portraits.eyewear import glasses, shield, sunglasses
from oodinv.portraits.handheld import held_object, microphone
from oodinv.portraits.hands import hand
from oodinv.portraits.heads import Head
from oodinv.portraits.headwear import beanie, cap, hat
from oodinv.portraits.overlays import Overlay, patch, text
from oodinv.portraits.pressed_hair import under_hat, under_scarf
from oodinv.portraits.scarves import headscarf
from oodinv.portraits.stickers import face_paint
from oodinv.portraits.surfaces import Surface

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Rng = np.random.Generator
Wear = Callable[[Head, Rng], list[Surface]]
LayOver = Callable[[int, Rng], Overlay]


@dataclass(frozen=True, kw_only=True)
class Design:
    """One form of an accessory."""

    name: str
    """Kind and form, unique over all kinds."""
    kind: str
    split: Split
    wear: Wear | None = None
    """Makes the surfaces of a thing in the scene."""
    press: Callable[[Head], Head] | None = None
    """Makes room for it: hair lies flat under a hat."""
    lay_over: LayOver | None = None
    """Draws what lies over the photo."""
    attached: bool = True
    """Turns with the head; what is held before it does not."""


def _designs(
    kind: str,
    maker: Callable[..., list[Surface]] | None = None,
    *,
    over: Callable[..., Overlay] | None = None,
    press: Callable[[Head], Head] | None = None,
    attached: bool = True,
    **by_split: Mapping[str, Mapping[str, object] | Wear],
) -> list[Design]:
    found = []
    for split in SPLITS:
        for form, made in by_split.get(split, {}).items():
            name = f"{kind}/{form}"
            if over is not None and isinstance(made, Mapping):
                found.append(
                    Design(name=name, kind=kind, split=split, lay_over=partial(over, **made), attached=attached)
                )
            elif maker is not None and isinstance(made, Mapping):
                found.append(
                    Design(
                        name=name, kind=kind, split=split, wear=partial(maker, **made), press=press, attached=attached
                    )
                )
            elif callable(made):
                found.append(Design(name=name, kind=kind, split=split, wear=made, press=press, attached=attached))
    return found


def _forms(*names: str) -> dict[str, dict[str, object]]:
    return {name: {"form": name} for name in names}


_ALL = [
    *_designs(
        "glasses",
        glasses,
        train={**_forms("oval", "rectangle"), "thick": {"form": "rectangle", "thickness": (0.0026, 0.004)}},
        val={"half-rim": {"form": "rectangle", "half": True}},
        test={**_forms("round"), "cat-eye": {"form": "cat-eye", "thickness": (0.0018, 0.0032)}},
    ),
    *_designs(
        "sunglasses",
        sunglasses,
        train=_forms("oval", "rectangle"),
        val=_forms("round"),
        test={**_forms("aviator"), "shield": shield},
    ),
    *_designs("hat", hat, press=under_hat, train=_forms("fedora", "sun"), val=_forms("bowler"), test=_forms("cowboy")),
    *_designs(
        "cap", cap, press=under_hat, train=_forms("baseball", "panels"), val=_forms("flat"), test=_forms("trucker")
    ),
    *_designs(
        "beanie", beanie, press=under_hat, train=_forms("plain", "striped"), val=_forms("cuffed"), test=_forms("bobble")
    ),
    *_designs(
        "headscarf",
        headscarf,
        press=under_scarf,
        train={"plain": {}, "ringed": {"pattern": "rings"}},
        val={"dotted": {"pattern": "dots"}},
        test={"flowered": {"pattern": "flowers"}, "hood": {"loose": 0.014}},
    ),
    *_designs(
        "hand",
        hand,
        attached=False,
        train={"open": {"pose": "open"}, "chin": {"pose": "chin"}},
        val={"two-fingers": {"pose": "two-fingers"}},
        test={"pointing": {"pose": "pointing"}},
    ),
    *_designs(
        "microphone",
        microphone,
        attached=False,
        train=_forms("ball", "stick"),
        val=_forms("foam"),
        test=_forms("studio"),
    ),
    *_designs(
        "object", held_object, attached=False, train=_forms("ball", "bottle"), val=_forms("cup"), test=_forms("phone")
    ),
    *_designs(
        "paint", face_paint, train=_forms("bars", "plaster", "spots"), val=_forms("heart"), test=_forms("star", "half")
    ),
    *_designs(
        "text",
        over=text,
        attached=False,
        train=_forms("caption", "watermark"),
        val=_forms("date"),
        test=_forms("banner", "stamp"),
    ),
    *_designs(
        "texture",
        over=patch,
        attached=False,
        train=_forms("stripes", "checks", "noise"),
        val=_forms("dots"),
        test=_forms("bricks", "rainbow"),
    ),
    *_designs("face_mask", face_mask, test=_forms("surgical", "cloth", "respirator")),
    *_designs("headphones", headphones, test=_forms("over-ear", "on-ear", "headset")),
]
DESIGNS: dict[str, Design] = {design.name: design for design in _ALL}
"""All designs by name."""
KINDS: tuple[str, ...] = tuple(dict.fromkeys(design.kind for design in _ALL))
HELD_OUT_KINDS: tuple[str, ...] = ("face_mask", "headphones")
"""Kinds of the test split alone."""


def designs_of(kind: str, split: Split | None = None) -> tuple[Design, ...]:
    """The designs of a kind, of one split or of all.

    Raises:
        PortraitsError: There is no such kind.
    """
    if kind not in KINDS:
        raise PortraitsError(f"unknown accessory {kind!r}: expected one of {', '.join(sorted(KINDS))}")
    return tuple(design for design in _ALL if design.kind == kind and split in (None, design.split))


def kinds_of(split: Split) -> tuple[str, ...]:
    """The kinds that a split has designs of."""
    return tuple(kind for kind in KINDS if designs_of(kind, split))


def find_design(accessory: str, seed: int) -> Design:
    """A design by its name, or one of a kind, drawn from the seed.

    Raises:
        PortraitsError: It is the name of neither.
    """
    if accessory in DESIGNS:
        return DESIGNS[accessory]
    designs = designs_of(accessory)
    return designs[int(np.random.default_rng([seed, 5]).integers(len(designs)))]


def accessory_surfaces(design: Design, head: Head, seed: int) -> list[Surface]:
    """The surfaces of a design for a head that looks straight ahead; none for what lies over the photo.

    Args:
        design: One of `DESIGNS`.
        head: The head that wears it.
        seed: Determines colour, size and place.
    """
    return [] if design.wear is None else design.wear(head, np.random.default_rng([seed, 1]))


def accessory_overlay(design: Design, size: int, seed: int) -> Overlay | None:
    """What a design lays over a photo of a size; None for a thing in the scene."""
    return None if design.lay_over is None else design.lay_over(size, np.random.default_rng([seed, 1]))
