"""Photos as cameras, editors, broken disks and ill will make them: one of each kind, and what must become of it."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from bad_photos import Case, content, encoded, png_of
from example_photos import portrait
from PIL import Image

_SIDE = 160
_LOSSES = {
    "jpg": {"format": "JPEG", "quality": 90},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "quality": 90},
}
# How a camera stores what its tag says must be turned so.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def odd_cases() -> list[Case]:
    """All of them, each with a name of its own."""
    cases = [*_cut(), *_misnamed(), *_turned(), *_coloured(), *_profiled(), *_sized(), *_damaged(), *_bombs()]
    return [Case(b"odd/" + case.name, case.write, case.status, case.error_class) for case in cases]


def _photo(kind: str = "jpg", image: Image.Image | None = None, **more: object) -> bytes:
    return encoded(image or portrait(_SIDE), **_LOSSES[kind], **more)


def _ok(name: str, data: bytes) -> Case:
    return Case(name.encode(), content(data))


def _failed(name: str, data: bytes, error_class: str) -> Case:
    return Case(name.encode(), content(data), "failed", error_class)


def _skipped(name: str, data: bytes) -> Case:
    return Case(name.encode(), content(data), "skipped", "no-face")


def _cut() -> Iterator[Case]:
    """At every tenth."""
    for kind, data in (
        ("jpg", _photo()),
        ("progressive.jpg", _photo(progressive=True)),
        ("png", _photo("png")),
        ("webp", _photo("webp")),
    ):
        for tenth in range(1, 10):
            yield _failed(f"cut-{tenth}.{kind}", data[: len(data) * tenth // 10], "truncated")


def _misnamed() -> Iterator[Case]:
    yield _ok("a-jpeg.png", _photo())
    yield _ok("a-png.jpg", _photo("png"))
    yield _ok("a-webp.jpeg", _photo("webp"))
    yield _ok("a-bmp.jpg", encoded(portrait(_SIDE), "BMP"))
    yield _failed("a-gif.jpg", encoded(portrait(60), "GIF"), "unsupported-format")
    yield _failed("a-tiff.png", encoded(portrait(60), "TIFF"), "unsupported-format")
    yield _failed("a-pdf.jpg", b"%PDF-1.7\n" + bytes(300), "unsupported-format")
    yield _failed("a-zip.jpg", b"PK\3\4" + bytes(300), "not-an-image")
    yield _failed("an-svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not-an-image")
    yield _failed("zeros.jpg", bytes(5000), "not-an-image")
    yield _failed("noise.jpg", np.random.default_rng(1).bytes(5000), "not-an-image")
    yield _failed("start-alone.jpg", b"\xff\xd8", "not-an-image")
    yield _failed("junk-before.jpg", b"junk" + _photo(), "not-an-image")
    yield _ok("junk-behind.jpg", _photo() + b"junk" * 1000)


def _turned() -> Iterator[Case]:
    """Every orientation, and two that there are not."""
    for tag in range(10):
        exif = Image.Exif()
        exif[0x0112] = tag
        image = portrait(_SIDE)
        yield _ok(
            f"turned-{tag}.jpg", _photo(image=image.transpose(_STORED[tag]) if tag in _STORED else image, exif=exif)
        )
    for name, exif in (
        ("exif-of-nothing.jpg", b"MM\0*" + b"\xff" * 60),
        ("exif-in-a-circle.jpg", b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", 0x8769, 4, 1, 8) + bytes(4)),
    ):
        segment = b"Exif\0\0" + exif
        data = _photo()
        yield _ok(name, data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])


def _coloured() -> Iterator[Case]:
    image = portrait(_SIDE)
    inks = _photo(image=image.convert("CMYK"))
    adobe = inks.index(b"Adobe")
    yield _ok("cmyk.jpg", inks)
    # The same bytes called YCCK are another picture: who is on it does not matter here.
    yield _skipped("ycck.jpg", inks[: adobe + 11] + b"\2" + inks[adobe + 12 :])
    deep = np.asarray(image).astype(np.uint16) * 257
    yield _ok("grey-16.png", encoded(Image.fromarray(deep[..., 1]), "PNG"))
    yield _ok("rgb-16.png", _png_of_rows(deep.astype(">u2")))
    yield _ok("grey.jpg", _photo(image=image.convert("L")))
    yield _ok("palette.png", _photo("png", image.convert("P", palette=Image.Palette.ADAPTIVE)))
    yield _skipped("one-bit.png", _photo("png", image.convert("1")))
    yield _ok("alpha.png", _photo("png", image.convert("RGBA")))
    yield _ok("grey-alpha.png", _photo("png", image.convert("LA")))
    yield _ok("alpha.webp", _photo("webp", image.convert("RGBA")))
    yield _ok("lossless.webp", encoded(image, "WEBP", lossless=True))
    yield _ok("many-parts.jpg", encoded(image, "MPO", save_all=True, append_images=[portrait(60)]))
    frames = {"save_all": True, "append_images": [portrait(60).transpose(Image.Transpose.ROTATE_90)]}
    yield _failed("moving.png", encoded(portrait(60), "PNG", **frames), "animated")


def _profiled() -> Iterator[Case]:
    for kind in _LOSSES:
        yield _ok(f"profile-of-nothing.{kind}", _photo(kind, icc_profile=b"\0garbage" * 40))


def _sized() -> Iterator[Case]:
    yield _skipped("narrow.png", _photo("png", Image.new("RGB", (1, 20_000))))
    yield _skipped("flat.png", _photo("png", Image.new("RGB", (20_000, 1))))
    yield _skipped("one-pixel.png", _photo("png", Image.new("RGB", (1, 1))))
    yield _failed("too-wide.png", _photo("png", Image.new("RGB", (70_000, 1))), "too-many-pixels")
    yield _failed("no-pixel.png", png_of(0, 0), "corrupt")
    yield _failed("no-height.jpg", _sized_jpeg(0, 0), "corrupt")
    yield _failed("bomb.jpg", _sized_jpeg(65_500, 65_500), "too-many-pixels")


def _damaged() -> Iterator[Case]:
    """What libjpeg repairs as well as it can is no failure: the row cannot tell a grey stripe from a grey wall."""
    data, middle = _photo(), len(_photo()) // 2
    yield _failed("markers-inside.jpg", data[:middle] + b"\xff\xd8" * 20 + data[middle + 40 :], "corrupt")
    yield _ok("zeros-inside.jpg", data[: middle * 19 // 10] + bytes(20) + data[middle * 19 // 10 + 20 :])
    tables = data.index(b"\xff\xc4") + 5
    yield _failed("broken-tables.jpg", data[:tables] + b"\xff" * 35 + data[tables + 35 :], "corrupt")
    restarted = _photo(restart_marker_rows=1)
    marks = [at for at in range(len(restarted) - 1) if restarted[at] == 0xFF and 0xD0 <= restarted[at + 1] <= 0xD7]
    last = marks[-1]
    yield _ok("restart-out-of-order.jpg", restarted[: last + 1] + b"\xd3" + restarted[last + 2 :])
    yield _ok("restart-missing.jpg", restarted[:last] + restarted[last + 2 :])
    png = _photo("png")
    yield _ok("wrong-sum-at-the-end.png", _flipped(png, -10))
    yield _failed("wrong-sum-of-the-head.png", _flipped(png, 29), "corrupt")


def _bombs() -> Iterator[Case]:
    """Little that says a lot."""
    png, lot = _photo("png"), zlib.compress(bytes(80 * 2**20))
    for name, kind, head in (
        ("text-bomb.png", b"zTXt", b"Comment\0\0"),
        ("xmp-bomb.png", b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
    ):
        yield _failed(name, png[:33] + _chunk(kind, head + lot) + png[33:], "corrupt")


def _sized_jpeg(height: int, width: int) -> bytes:
    """A JPEG whose header says so."""
    data = _photo()
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]


def _flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_of_rows(pixels: np.ndarray) -> bytes:
    """16 bits for each of three colours, which Pillow does not write."""
    height, width, _ = pixels.shape
    rows = io.BytesIO()
    for row in pixels:
        rows.write(b"\0" + row.tobytes())
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows.getvalue())), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)
