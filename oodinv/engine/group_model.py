"""The model's calls for a group of photos: all their faces together, and what came of each apart again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from oodinv.bundles.inverter import Inverter
from oodinv.engine.faces_stage import Row, face_of
from oodinv.engine.group import Group, OpenPhoto
from oodinv.engine.microbatch import Microbatch
from oodinv.engine.outcome import Reason
from oodinv.engine.photo import FaceCrop, InvertedFace, cut_face, edit_faces, invert_faces
from oodinv.engine.settings import Product
from oodinv.engine.timers import Timers
from oodinv.engine.together import together
from oodinv.engine.whereabouts import Whereabouts
from oodinv.faces.align import crop_transform
from oodinv.models.inversion import Inversion


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A face after one edit, still where the model computes."""

    face: InvertedFace
    inversion: Inversion = field(repr=False)
    """A batch of one, see `edit_faces`."""
    milliseconds: float
    """Its share of the call that edited it."""


MAX_GUIDED = 16
"""Faces of a group that keep what makes their edits cheaper; a group photo has more, and memory has an end."""

Inverted = InvertedFace | Reason | None
"""Of one row of the faces product: None where that gave the face up already, a reason where it failed since."""


@dataclass(frozen=True, kw_only=True)
class _Face:
    """One that is to be inverted."""

    photo: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    row: Row = field(repr=False)
    crop: FaceCrop | None = field(repr=False)
    """None in a photo with many: it is cut when it is its turn."""

    def cut(self, crop_size: int) -> FaceCrop:
        return self.crop or cut_face(self.photo, crop_transform(face_of(self.row), crop_size), crop_size)


def _to_invert(opened: OpenPhoto) -> list[_Face | Reason | None]:
    """One for each row."""
    faces: list[_Face | Reason | None] = []
    for row, crop in zip(opened.faces, opened.crops or [None] * len(opened.faces), strict=True):
        if row["status"] != "ok" or isinstance(crop, Reason):
            faces.append(crop if isinstance(crop, Reason) else None)
        else:
            faces.append(_Face(photo=opened.photo, row=row, crop=crop))
    return faces


class GroupModel:
    """Inverts and edits the faces of groups, as many in one call as the microbatch says."""

    def __init__(self, inverter: Inverter, timers: Timers, microbatch: Microbatch):
        """Nothing is done yet.

        Args:
            inverter: The model.
            timers: Filled.
            microbatch: Made smaller when memory runs out.
        """
        self._inverter, self._timers, self._microbatch = inverter, timers, microbatch

    def invert(self, group: Group, here: Whereabouts) -> list[list[Inverted]]:
        """The faces of each photo, in the order of its rows."""
        size = self._inverter.resolution

        def call(faces: Sequence[_Face]) -> list[InvertedFace]:
            here.among(group.sample_ids)
            with self._timers("invert"):
                made = invert_faces(self._inverter, [face.cut(size) for face in faces])
            return [face.without_guides() for face in made] if crowded else made

        found = [face for opened in group.photos for face in _to_invert(opened)]
        crowded = sum(face is not None for face in found) > MAX_GUIDED
        return group.by_photo(together(call, found, self._microbatch, "invert"))

    def edit(
        self, group: Group, inverted: Sequence[Sequence[Inverted]], product: Product, here: Whereabouts
    ) -> list[list[Edited | Reason | None]]:
        """The faces of each photo in an edit product; `inverted` is what `invert` gave for the group."""

        def call(faces: Sequence[InvertedFace]) -> list[Edited]:
            here.among(group.sample_ids)
            begin = time.perf_counter()
            with self._timers("edit"):
                edited = edit_faces(self._inverter, faces, product.edits or (), product.composition)
            share = (time.perf_counter() - begin) * 1000 / len(faces)
            return [
                Edited(face=face, inversion=inversion, milliseconds=share)
                for face, inversion in zip(faces, edited, strict=True)
            ]

        every = [face for faces in inverted for face in faces]
        return group.by_photo(together(call, every, self._microbatch, "edit"))
