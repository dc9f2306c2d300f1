"""What a file is, by its first bytes; names and extensions of objects are not trusted."""

READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""What is decoded.

TIFF is left out on purpose: many pages, many sample types and a long history of parser bugs, for few photos.
"""

_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("WEBP", 8, b"WEBP"),
    ("BMP", 0, b"BM"),
    ("GIF", 0, b"GIF8"),
    ("TIFF", 0, b"II*\x00"),
    ("TIFF", 0, b"MM\x00*"),
    ("AVIF", 4, b"ftypavif"),
    ("HEIC", 4, b"ftyphei"),
    ("HEIC", 4, b"ftyphev"),
    ("HEIC", 4, b"ftypmif1"),
    ("JPEG 2000", 4, b"jP  \r\n\x87\n"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 4, b"JXL \r\n\x87\n"),
    ("PSD", 0, b"8BPS"),
    ("PDF", 0, b"%PDF"),
)


def sniff_format(data: bytes) -> str | None:
    """The picture format the first bytes announce, or None when they announce none that is known."""
    for name, offset, signature in _SIGNATURES:
        if data.startswith(signature, offset):
            return name
    return None


def is_cut_short(data: bytes, format_name: str) -> bool:
    """Whether the file ends before its own end marker or stated length."""
    if format_name == "JPEG":
        return not data.rstrip(b"\x00").endswith(b"\xff\xd9")
    if format_name == "PNG":
        return b"IEND" not in data[-1024:]
    if format_name == "WEBP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return len(data) < int.from_bytes(data[2:6], "little")  # BMP states its length


def describe_start(data: bytes) -> str:
    """The first bytes, escaped and few, for an error message."""
    return repr(data[:32])[1:]
