"""The faces product: rows about every face, no pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from oodinv.engine.outcome import NO_FACE, NOT_THE_PHOTOS, TINY_FACE, Reason, reason_for
from oodinv.engine.settings import FACES_CROP
from oodinv.engine.timers import Timers
from oodinv.faces.align import crop_transform
from oodinv.faces.face import Face, FaceDetector, is_too_small
from oodinv.ledger.inventory import Sample

Row = dict[str, Any]


def face_rows(
    sample: Sample, photo: UInt8[np.ndarray, "height width 3"] | Reason, detector: FaceDetector, timers: Timers
) -> list[Row]:
    """One terminal row for each face of a photo, or one about a photo that has none.

    Rows lack what is the same for the whole part (product, attempt, time).

    Raises:
        MemoryError: See `NOT_THE_PHOTOS`.
    """
    if isinstance(photo, Reason):
        return [about_photo(sample, photo)]
    try:
        with timers("detect"):
            faces = detector.detect(photo)
    except NOT_THE_PHOTOS:
        raise
    except Exception as error:
        return [about_photo(sample, reason_for(error, "detect"))]
    height, width = photo.shape[:2]
    size = {"photo_width": width, "photo_height": height, "detector": detector.name}
    if not faces:
        return [about_photo(sample, NO_FACE) | size | {"num_faces": 0}]
    return [
        sample.row_fields() | size | {"face_index": index, "num_faces": len(faces)} | _face_fields(face)
        for index, face in enumerate(faces)
    ]


def about_photo(sample: Sample, reason: Reason) -> Row:
    """The one row of a photo that has no row per face."""
    return sample.row_fields() | {"face_index": -1} | reason.fields()


def num_ok(faces: Sequence[Row]) -> int:
    """Faces that are to be edited."""
    return sum(face["status"] == "ok" for face in faces)


def _face_fields(face: Face) -> Row:
    fields: Row = {
        "det_score": face.score,
        "bbox": face.bbox,
        "landmarks": face.landmarks,
        "landmark_scheme": face.scheme,
    }
    if is_too_small(face):
        return fields | TINY_FACE.fields()
    try:
        transform = crop_transform(face, FACES_CROP)
    except ValueError as error:
        return fields | reason_for(error, "align").fields()
    return fields | {"crop_transform": transform, "status": "ok"}


def face_of(row: Mapping[str, Any]) -> Face:
    """The face that a row of the faces product tells of."""
    x0, y0, x1, y1 = row["bbox"]
    return Face(
        bbox=(x0, y0, x1, y1),
        score=row["det_score"],
        landmarks=np.asarray(row["landmarks"], dtype=np.float32).reshape(-1, 2),
        scheme=row["landmark_scheme"],
    )
