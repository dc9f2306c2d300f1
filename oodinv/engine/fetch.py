"""Bytes of a planned sample, decoded."""

import numpy as np
from jaxtyping import UInt8

from oodinv.engine.outcome import Changed
from oodinv.imaging.decode import DecodeLimits, decode_photo
from oodinv.imaging.errors import PhotoError
from oodinv.ledger.inventory import Sample
from oodinv.store import Store


def fetch_photo(source: Store, sample: Sample) -> UInt8[np.ndarray, "height width 3"]:
    """Read and decode the version of a photo that was planned.

    Raises:
        Changed: The object has another etag now; the next run plans it anew.
        ObjectMissing: It is gone.
        PhotoError: It cannot be decoded.
    """
    limit = DecodeLimits().max_bytes
    found, data = source.fetch(sample.key, limit)
    if found.etag != sample.etag:
        raise Changed("the photo changed after the run was planned; the next run takes the new version")
    if data is None:
        raise PhotoError("too-many-bytes", f"expected at most {limit} bytes, got {found.size}")
    return decode_photo(data)
