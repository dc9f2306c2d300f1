"""What a detected face is, and what a detector promises."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

MIN_FACE_PX = 24
"""Shorter side of a face box, in photo pixels, below which a crop would show interpolation and not a person."""


class DetectorUnavailable(Exception):
    """A detector cannot be made on this machine; the message says what is missing and what to do."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """One face in a photo.

    Convention:
        Coordinates are continuous photo coordinates: the centre of pixel (row i, column j) lies at x = j + 0.5,
        y = i + 0.5. A box or a landmark may lie outside the photo where the face is cut off by its border.
    """

    bbox: tuple[float, float, float, float]
    """x0, y0, x1, y1: forehead to chin, ear to ear."""

    score: float
    """The detector's confidence in [0, 1]."""

    landmarks: Float32[np.ndarray, "points 2"]
    """x, y of each point."""

    scheme: Literal["5", "68"]
    """`5`: left eye, right eye, nose tip, left and right mouth corner; `68`: the iBUG points.

    Left and right are those of the picture.
    """


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in a photo. Same photo, same answer."""

    name: str
    """As in `load_detector(name)`."""

    weights_sha256: str
    """Of the weight file that decides the landmarks, in hex."""

    def detect(self, photo: UInt8[np.ndarray, "height width 3"]) -> list[Face]:
        """All faces, the one with the largest box first; equal areas from left to right."""
        ...


def is_too_small(face: Face) -> bool:
    """Whether the face has too few pixels to be edited: the shorter side of its box is under `MIN_FACE_PX`."""
    x0, y0, x1, y1 = face.bbox
    return min(x1 - x0, y1 - y0) < MIN_FACE_PX


def largest_first(faces: list[Face]) -> list[Face]:
    """The order every detector answers in: larger box first, then left to right, then top to bottom."""

    def rank(face: Face) -> tuple[float, float, float]:
        x0, y0, x1, y1 = face.bbox
        return -(x1 - x0) * (y1 - y0), x0, y0

    return sorted(faces, key=rank)
