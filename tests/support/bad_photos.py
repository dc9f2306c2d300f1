"""One of each kind of bad input, and hostile names, with the row that each must get."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from example_photos import astronaut, portrait
from PIL import Image


@dataclass(frozen=True)
class Case:
    """A file below the source, and the status and error class of its photo in every product."""

    name: bytes
    write: Callable[[bytes], None]
    status: str = "ok"
    error_class: str | None = None


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def rotten(png: bytes) -> bytes:
    """A PNG with some of its picture overwritten; its end is where it was."""
    middle = len(png) // 2
    return png[:middle] + bytes(64) + png[middle + 64 :]


def content(data: bytes) -> Callable[[bytes], None]:
    def write(path: bytes) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    return write


def link(target: str) -> Callable[[bytes], None]:
    return lambda path: os.symlink(target, path)


def locked(path: bytes) -> None:
    content(encoded(portrait(), "JPEG"))(path)
    os.chmod(path, 0)


def bad_cases() -> list[Case]:
    """Contents that are no photo with a face worth editing."""
    photo = encoded(portrait(), "JPEG", quality=92)
    frames = [portrait(60), portrait(60).transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    cases = [
        Case(b"zero.jpg", content(b""), "failed", "empty"),
        Case(b"cut.jpg", content(photo[: len(photo) // 2]), "failed", "truncated"),
        Case(b"page.jpg", content(b"<!doctype html><title>404</title>"), "failed", "not-an-image"),
        Case(b"bomb.png", content(png_of(60_000, 60_000)), "failed", "too-many-pixels"),
        Case(b"anim.gif", animated("GIF", frames), "failed", "unsupported-format"),
        Case(b"anim.webp", animated("WEBP", frames), "failed", "animated"),
        Case(b"rot.png", content(rotten(encoded(portrait(), "PNG"))), "failed", "corrupt"),
        Case(b"gone.jpg", link("nowhere.jpg"), "failed", "vanished"),
        Case(b"outside.jpg", link("/etc/hostname"), "failed", "refused"),
        Case(b"noise.png", content(encoded(Image.fromarray(noise), "PNG")), "skipped", "no-face"),
        Case(b"tiny.png", content(encoded(portrait(48), "PNG")), "skipped", "tiny-face"),
    ]
    if os.geteuid() != 0:  # root reads everything
        cases.append(Case(b"locked.jpg", locked, "failed", "refused"))
    return cases


def animated(format: str, frames: list[Image.Image]) -> Callable[[bytes], None]:
    return content(encoded(frames[0], format, save_all=True, append_images=frames[1:]))


def hostile_cases() -> list[Case]:
    """A good photo under names that would like to be something else."""
    photo = content(encoded(portrait(120), "JPEG", quality=90))
    deep = b"/".join(bytes([letter]) * 100 for letter in b"abcdefghi")
    names = [
        b"a..b/c..jpg",
        b"x..y/z.jpg",
        b"line\nbreak\r.jpg",
        b"-rf.jpg",
        b"a'b\"c|d`e<f>&.jpg",
        b"$(touch hacked).jpg",
        b"back\\slash\\..\\x.jpg",
        b"%2e%2e%2fetc.jpg",
        "größe 写真 \U0001f600.jpg".encode(),
        "\u202egpj.exe.jpg".encode(),
        b"caf\xe9-\xff.jpg",  # no UTF-8
        b"n" * 246 + b".jpg",
        deep + b"/" + b"z" * 86 + b".jpg",
        b"UPPER.JPG",
    ]
    return [Case(name, photo) for name in names]


def no_inputs() -> list[Case]:
    """Files that are no inputs: hidden ones, and names without a photo's ending. They get no row."""
    return [Case(name, content(b"not looked at")) for name in (b"..jpg", b".hidden/x.jpg", b"notes.txt", b"jpg")]


def good_cases() -> list[Case]:
    return [
        Case(b"good/astronaut.png", content(encoded(astronaut(), "PNG"))),
        Case(b"good/portrait.jpg", content(encoded(portrait(), "JPEG", quality=92))),
    ]


def write_cases(folder: Path, cases: list[Case]) -> Path:
    for case in cases:
        case.write(os.path.join(os.fsencode(folder), case.name))
    return folder
