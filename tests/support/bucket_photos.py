"""Photos for a bucket, made of the examples: faces that differ, ruined files, nobody, several people."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from example_photos import example
from PIL import Image, ImageEnhance, ImageOps

PORTRAITS = ("portrait-01.jpg", "portrait-02.jpg", "portrait-03.jpg", "portrait-04.png", "portrait-05.jpg")


@dataclass(frozen=True)
class BucketPhoto:
    key: str
    data: bytes
    status: str
    """What becomes of it."""


def portrait_bytes(number: int, side: int = 200) -> bytes:
    """A face; no two numbers give the same picture."""
    image = example(PORTRAITS[number % len(PORTRAITS)]).resize((side, side), Image.Resampling.LANCZOS)
    image = ImageOps.mirror(image) if number % 2 else image
    image = ImageEnhance.Brightness(image).enhance(0.8 + 0.4 * (number % 37) / 37)
    image = ImageEnhance.Color(image).enhance(0.6 + 0.8 * (number % 11) / 11)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85 + number % 10, comment=f"photo {number}")
    return buffer.getvalue()


def bucket_photos(portraits: int, corrupt: int, nobody: int, several: int) -> Iterator[BucketPhoto]:
    """So many of each, in folders of their own, under keys that are awkward where a store allows it."""
    for number in range(portraits):
        yield BucketPhoto(f"people/{number % 7}/face {number:04d} ü.jpg", portrait_bytes(number), "ok")
    for number in range(corrupt):
        whole = portrait_bytes(number)
        yield BucketPhoto(f"ruined/{number}.jpg", whole[: len(whole) * (number + 1) // (corrupt + 2)], "failed")
    for number in range(nobody):
        yield BucketPhoto(f"nobody/{number}.jpg", _encode("no-face.jpg", 0.4 + number * 0.02), "skipped")
    for number in range(several):
        yield BucketPhoto(f"groups/{number}.webp", _encode("group-of-three.jpg", 0.5 + number * 0.01, "WEBP"), "ok")


def _encode(name: str, scale: float, format: str = "JPEG") -> bytes:
    image = example(name)
    buffer = io.BytesIO()
    image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.LANCZOS).save(
        buffer, format, quality=90
    )
    return buffer.getvalue()
