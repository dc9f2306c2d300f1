"""Photos with their faces, decoded and cut out ahead of whoever edits them."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import UInt8

from oodinv.engine.faces_stage import Row, about_photo, face_of, face_rows, num_ok
from oodinv.engine.fetch import Photo, PhotoReader
from oodinv.engine.outcome import NOT_THE_PHOTOS, QUARANTINED, Reason, reason_for
from oodinv.engine.photo import FaceCrop, cut_face
from oodinv.engine.settings import ShardJob
from oodinv.engine.timers import Timers
from oodinv.faces.align import crop_transform
from oodinv.faces.face import FaceDetector
from oodinv.ledger.inventory import Sample
from oodinv.ledger.schema import ROW_SCHEMA

MOST_CUT_AHEAD = 4
"""Faces of one photo; a group photo has more, and its crops may be larger than itself."""

_NOTHING: Row = {name: None for name in ROW_SCHEMA.names if name != "schema_version"}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A photo and what is known of its faces."""

    sample: Sample
    faces: Sequence[Row] = field(repr=False)
    """Its rows of the faces product, in order."""
    photo: UInt8[np.ndarray, "height width 3"] | Reason | None = field(repr=False)
    """None where no face is to be edited; a reason where the photo cannot be read any more."""
    crops: Sequence[FaceCrop | Reason | None] = field(repr=False, default=())
    """Of its faces, each at the model's size; none yet where there are many."""
    same_as: Sample | None = None
    """An earlier sample of the shard whose file is the same, byte for byte: so is what is made of it."""


def cut_faces(photo: Photo, faces: Sequence[Row], crop_size: int) -> list[FaceCrop | Reason | None]:
    """The crop of each face that is ok; why it could not be cut.

    Raises:
        MemoryError: See `NOT_THE_PHOTOS`.
    """
    return [_cut(photo, row, crop_size) if row["status"] == "ok" else None for row in faces]


def _cut(photo: Photo, row: Row, crop_size: int) -> FaceCrop | Reason:
    try:
        return cut_face(photo, crop_transform(face_of(row), crop_size), crop_size)
    except NOT_THE_PHOTOS:
        raise
    except Exception as error:
        return reason_for(error, "invert")


def found_faces(
    job: ShardJob,
    reader: PhotoReader,
    detector: FaceDetector,
    timers: Timers,
    crop_size: int | None,
    alone: Container[str] = (),
    told: Callable[[Sequence[Row]], object] = lambda rows: None,
) -> Iterator[Looked]:
    """The photos of a shard in order, their faces found just now.

    Args:
        job: The shard.
        reader: Of its photos.
        detector: Called by one thread at a time.
        timers: Filled.
        crop_size: Of the crops that will be edited; None = none will, and no photo is held on to.
        alone: Ids of samples that are looked at although the same file was before.
        told: Called with the rows of each sample, in any order, as soon as they are known: well before whoever takes
            the photos comes to it. Never twice at once.
    """
    twins = _Twins(reader, alone)

    def look(sample: Sample, photo: Photo | Reason) -> Looked:
        twin = None if isinstance(photo, Reason) else twins.of(sample)
        if twin is not None:
            looked = twins.like(sample, twin)
        else:
            looked = _looked(sample, _whole(face_rows(sample, photo, detector, timers)), photo, timers, crop_size)
            twins.remember(looked)
        told(looked.faces)
        return looked

    untouched = {
        sample.sample_id: Looked(sample=sample, faces=_whole([about_photo(sample, QUARANTINED)]), photo=None)
        for sample in job.samples
        if sample.sample_id in job.quarantine
    }
    for one in untouched.values():
        told(one.faces)
    wanted = (sample for sample in job.samples if sample.sample_id not in job.quarantine)
    looked = reader.each(wanted, look, one_at_a_time=True)
    for sample in job.samples:
        yield untouched.get(sample.sample_id) or next(looked)


def known_faces(
    job: ShardJob,
    reader: PhotoReader,
    faces: Mapping[str, Sequence[Row]],
    timers: Timers,
    crop_size: int,
    alone: Container[str] = (),
) -> Iterator[Looked]:
    """The photos of a shard in order, their faces as they are committed; those without any are not read.

    Args:
        job: The shard.
        reader: Of its photos.
        faces: Rows of the faces product by sample, in order of their faces.
        timers: Filled.
        crop_size: Of the crops that will be edited.
        alone: As for `found_faces`.
    """
    twins = _Twins(reader, alone)

    def look(sample: Sample, photo: Photo | Reason) -> Looked:
        return _looked(sample, faces[sample.sample_id], photo, timers, crop_size)

    def is_wanted(sample: Sample) -> bool:
        return sample.sample_id not in job.quarantine and num_ok(faces[sample.sample_id]) > 0

    looked = reader.each(
        filter(is_wanted, job.samples), look, size_of=lambda sample: _num_bytes(faces[sample.sample_id][0])
    )
    for sample in job.samples:
        if is_wanted(sample):
            one = next(looked)
            twin = None if isinstance(one.photo, Reason) else twins.of(sample)
            if twin is not None and _same_faces(twin.faces, one.faces):
                one = twins.like(sample, twin)
            else:
                twins.remember(one)
            yield one
            del one
        elif sample.sample_id in job.quarantine:
            yield Looked(sample=sample, faces=_whole([about_photo(sample, QUARANTINED)]), photo=None)
        else:
            yield Looked(sample=sample, faces=faces[sample.sample_id], photo=None)


class _Twins:
    """Samples of one shard whose files are the same, byte for byte."""

    def __init__(self, reader: PhotoReader, alone: Container[str]):
        self._reader, self._alone = reader, alone
        self._first: dict[bytes, Looked] = {}

    def remember(self, looked: Looked) -> None:
        """One that others may be like, unless it failed: another try may not. Its pixels are not kept."""
        content = self._reader.content_of(looked.sample)
        failed = isinstance(looked.photo, Reason) or any(row["status"] == "failed" for row in looked.faces)
        if content is not None and not failed:
            self._first.setdefault(content, replace(looked, photo=None, crops=()))

    def of(self, sample: Sample) -> Looked | None:
        """An earlier one with the same content."""
        content = self._reader.content_of(sample)
        return None if content is None or sample.sample_id in self._alone else self._first.get(content)

    def like(self, sample: Sample, twin: Looked) -> Looked:
        """What is known of it, without a look."""
        rows = [row | sample.row_fields() for row in twin.faces]
        return Looked(sample=sample, faces=rows, photo=None, same_as=twin.sample)


def _same_faces(some: Sequence[Row], others: Sequence[Row]) -> bool:
    told = ("status", "face_index", "bbox", "landmarks")
    return [[row[name] for name in told] for row in some] == [[row[name] for name in told] for row in others]


def _looked(
    sample: Sample, faces: Sequence[Row], photo: Photo | Reason, timers: Timers, crop_size: int | None
) -> Looked:
    count = num_ok(faces)
    if crop_size is None or not count:
        return Looked(sample=sample, faces=faces, photo=None)
    if isinstance(photo, Reason) or count > MOST_CUT_AHEAD:
        return Looked(sample=sample, faces=faces, photo=photo)
    with timers("align"):
        return Looked(sample=sample, faces=faces, photo=photo, crops=cut_faces(photo, faces, crop_size))


def _whole(rows: Sequence[Row]) -> list[Row]:
    """With every column, as rows come back from the ledger."""
    return [_NOTHING | row for row in rows]


def _num_bytes(face: Row) -> int:
    """Of the decoded photo."""
    return 3 * int(face["photo_width"]) * int(face["photo_height"])
