"""Which objects of a source are photos to process."""

PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif",
)  # fmt: skip
"""Case does not matter. The suffix only selects: the content decides, so text named ``.jpg`` gets a row that says so,
and a kind of image that cannot be decoded gets one too, while ``notes.txt`` is no input."""


def is_photo_key(key: str) -> bool:
    """True for a key with a photo's suffix and no hidden part (first character a dot, as in ``._resource.jpg``)."""
    return key.lower().endswith(PHOTO_SUFFIXES) and not any(part.startswith(".") for part in key.split("/"))
