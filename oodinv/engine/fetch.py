"""Bytes of planned samples, decoded, ahead of whoever works on them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from oodinv.engine.outcome import NOT_THE_PHOTOS, Changed, Reason, reason_for
from oodinv.engine.overlap import Ahead
from oodinv.engine.timers import Timers
from oodinv.engine.whereabouts import Whereabouts
from oodinv.imaging.decode import DecodeLimits
from oodinv.imaging.errors import PhotoError
from oodinv.imaging.isolated import Decoders
from oodinv.ledger.inventory import Sample
from oodinv.store import Store

_LIMITS = DecodeLimits()
_MOST_AHEAD = 16
_LEAST_RATIO = 12
"""Pixels take about so many times a file's bytes; what is not known before only bounds how much is decoded ahead."""

Photo = UInt8[np.ndarray, "height width 3"]
R = TypeVar("R")


class PhotoReader:
    """Reads the photos of one shard."""

    def __init__(
        self,
        source: Store,
        decoders: Decoders,
        timers: Timers,
        here: Whereabouts,
        threads: ThreadPoolExecutor | None,
        lane: ThreadPoolExecutor | None = None,
    ):
        """Nothing is read.

        Args:
            source: The photos.
            decoders: Processes that decode.
            timers: Filled.
            here: Told of each photo.
            threads: None = each photo is read when it is wanted.
            lane: One thread for what is to be done with one photo at a time.
        """
        self._source, self._decoders, self._timers, self._here = source, decoders, timers, here
        self._threads, self._lane = threads, lane
        self._contents: dict[str, bytes] = {}

    def each(
        self,
        samples: Iterable[Sample],
        then: Callable[[Sample, Photo | Reason], R],
        *,
        one_at_a_time: bool = False,
        size_of: Callable[[Sample], int] | None = None,
    ) -> Iterator[R]:
        """What is made of each photo, upright, or of why it cannot be read; in the order of the samples.

        Args:
            samples: Which.
            then: Called ahead of whoever asks for what it makes, on other threads.
            one_at_a_time: It is never called twice at once.
            size_of: Bytes of a photo's pixels, where they are known; None = they are estimated.

        Raises:
            StoreError, MemoryError: See `NOT_THE_PHOTOS`.
        """
        ahead: Ahead[Sample, R] = Ahead(
            self._threads,
            most=_MOST_AHEAD,
            size_of=size_of or _estimate,
            lane=self._lane if one_at_a_time else None,
        )
        for sample, made in ahead.then(self._read, then, samples):
            if self._threads is not None:
                self._here.at(sample.sample_id)
            yield made
            del made

    def _read(self, sample: Sample) -> Photo | Reason:
        if self._threads is None:
            self._here.at(sample.sample_id)
        try:
            return self.read(sample)
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            return reason_for(error, "fetch")

    def read(self, sample: Sample) -> Photo:
        """Read and decode the version of a photo that was planned.

        Raises:
            Changed: The object has another etag now; the next run plans it anew.
            ObjectMissing: It is gone.
            PhotoError: It cannot be decoded.
        """
        with self._timers("fetch"):
            found, data = self._source.fetch(sample.key, _LIMITS.max_bytes)
        if found.etag != sample.etag:
            raise Changed("the photo changed after the run was planned; the next run takes the new version")
        if data is None:
            raise PhotoError("too-many-bytes", f"expected at most {_LIMITS.max_bytes} bytes, got {found.size}")
        self._contents[sample.sample_id] = hashlib.sha256(data).digest()
        with self._timers("decode"):
            return self._decoders.decode(data)

    def content_of(self, sample: Sample) -> bytes | None:
        """Equal for files that are equal byte for byte; None for one that was not read."""
        return self._contents.get(sample.sample_id)


def _estimate(sample: Sample) -> int:
    return min(_LEAST_RATIO * sample.size, 3 * _LIMITS.max_pixels)
