"""What every contestant does for a photo, and how it reaches the server."""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
import pyarrow as pa
import torch
from botocore.config import Config

from benchmarks.stub import StubDetector, StubInverter
from oodinv.edits import Edit
from oodinv.engine.photo import cut_face, edit_faces, fetch_edited, invert_faces, put_back
from oodinv.faces.align import crop_transform
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.encode import encode_photo

OUT = "out/"
"""Prefix of the pictures."""


class Bucket:
    """A bucket of the server that the environment names (`CONTEST_ENDPOINT`, AWS credentials)."""

    def __init__(self, name: str):
        """Connects with the first call."""
        self.name = name
        self._client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=os.environ["CONTEST_ENDPOINT"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )

    def make(self) -> None:
        """Make the bucket."""
        self._client.create_bucket(Bucket=self.name)

    def sizes(self) -> dict[str, int]:
        """Of all objects."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", ())}

    def keys(self, prefix: str) -> list[str]:
        """All below a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        """An object."""
        body: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever was there."""
        self._client.put_object(Bucket=self.name, Key=key, Body=data)


class Editor:
    """One model: a photo's bytes in, its edited picture and row out. The model is one call at a time."""

    def __init__(self, seconds: float):
        """Nothing is loaded."""
        torch.set_num_threads(1)
        self._detector, self._inverter, self._lock = StubDetector(), StubInverter(seconds), threading.Lock()

    def edit(self, key: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
        """Decode, detect, invert, edit, put back, encode: the engine's own functions."""
        photo = decode_photo(data)
        (face,) = self._detector.detect(photo)
        size = self._inverter.resolution
        crop = cut_face(photo, crop_transform(face, size), size)
        edits = (Edit("smile", 1.0),)
        with self._lock:
            (inverted,) = invert_faces(self._inverter, [crop])
            (edited,) = edit_faces(self._inverter, [inverted], edits)
        arrays = fetch_edited(self._inverter, inverted, edited, edits)
        out = encode_photo(put_back(photo, crop.transform, arrays), format="jpeg", quality=95)
        row = {"key": key, "out_key": out_key(key), "bytes": len(out), "sha256": hashlib.sha256(out).hexdigest()}
        return out, row


def out_key(key: str) -> str:
    """Where the picture of a photo goes."""
    return OUT + hashlib.sha256(key.encode()).hexdigest()[:32] + ".jpg"


def to_do(bucket: Bucket) -> list[str]:
    """Photos without a picture: how those who keep no books go on after a kill."""
    done = set(bucket.keys(OUT))
    return [key for key in bucket.keys("photos/") if out_key(key) not in done]


def table_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as Parquet."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def chunks(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    """So many at a time."""
    for start in range(0, len(keys), size):
        yield list(keys[start : start + size])
