"""Photos that are worked on together, so that their faces fill the model's batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from oodinv.engine.faces_stage import Row, num_ok
from oodinv.engine.outcome import Reason
from oodinv.engine.photo import FaceCrop
from oodinv.ledger.inventory import Sample

T = TypeVar("T")

MOST_PIXEL_BYTES = 256 * 2**20
"""Of decoded photos that are held at once. A single photo may be larger: it is alone then."""


@dataclass(frozen=True, kw_only=True)
class OpenPhoto:
    """A decoded photo and what is known of its faces."""

    sample: Sample
    photo: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    faces: Sequence[Row] = field(repr=False)
    """Its rows of the faces product, in order; at least one is ok."""
    crops: Sequence[FaceCrop | Reason | None] = field(repr=False, default=())
    """Of its faces, see `Looked.crops`."""


@dataclass
class Group:
    """Collects photos until there are faces for a batch, or no memory for more photos."""

    most_faces: int
    most_bytes: int = MOST_PIXEL_BYTES
    photos: list[OpenPhoto] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """No photo with a face has room any more."""
        return self._faces >= self.most_faces or self._bytes >= self.most_bytes

    def has_room(self, faces: Sequence[Row]) -> bool:
        """Whether a photo with these faces may join, before it is decoded; the first one always may."""
        count = self._faces + num_ok(faces)
        size = self._bytes + 3 * faces[0]["photo_width"] * faces[0]["photo_height"]
        return not self.photos or (count <= self.most_faces and size <= self.most_bytes)

    @property
    def sample_ids(self) -> list[str]:
        """Of the photos."""
        return [opened.sample.sample_id for opened in self.photos]

    def emptied(self, most_faces: int) -> "Group":
        """The next group; this one lets its photos go."""
        self.photos.clear()
        return Group(most_faces=most_faces, most_bytes=self.most_bytes)

    def by_photo(self, faces: Sequence[T]) -> list[list[T]]:
        """What belongs to all faces, one after the other, apart by photo."""
        rest = iter(faces)
        return [[next(rest) for _ in opened.faces] for opened in self.photos]

    @property
    def _faces(self) -> int:
        return sum(num_ok(opened.faces) for opened in self.photos)

    @property
    def _bytes(self) -> int:
        return sum(opened.photo.nbytes for opened in self.photos)
