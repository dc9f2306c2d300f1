"""Keys as text: one rule for keys we make, one for keys we are given."""

import re

_OURS = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_ESCAPE = re.compile(r"%(25|[89A-F][0-9A-F])")
_LONGEST_PART = 255  # file systems' limit on one name


def check_key(key: str) -> str:
    """Accept a key that we generated.

    Raises:
        ValueError: The key has other characters than ``[A-Za-z0-9._/-]``, an empty part, a part that starts with
            a dot (``..`` and hidden names), or a part longer than 255.
    """
    if not _OURS.fullmatch(key):
        raise ValueError(f"bad object key {key[:200]!r}: expected parts of [A-Za-z0-9._-] joined by single slashes")
    for part in key.split("/"):
        if part.startswith(".") or len(part) > _LONGEST_PART:
            raise ValueError(
                f"bad object key {key[:200]!r}: no part may start with a dot or be longer than {_LONGEST_PART}"
            )
    return key


def is_key(key: str) -> bool:
    """True for a key that we could have generated."""
    try:
        check_key(key)
    except ValueError:
        return False
    return True


def text_key(path: bytes) -> str:
    """Name a file of the source: valid unicode, and no two files share a name.

    Bytes that are not UTF-8 become ``%XX``. A literal ``%`` is escaped (``%25``) only where it would read as such an
    escape, so that ordinary names, ``100%.jpg`` too, stay as they are.

    Args:
        path: Path relative to the source, ``/`` between parts, as the operating system gives it.

    Returns:
        The key; ``key_path`` is the way back.
    """
    text = path.decode("utf-8", "surrogateescape")
    text = _ESCAPE.sub(r"%25\1", text)
    return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)


def key_path(key: str) -> bytes:
    """The relative path that ``text_key`` named.

    Raises:
        ValueError: The key could lead out of the source: absolute, an empty part, ``.``, ``..`` or a NUL.
    """
    # Character by character of the text: the escapes stand for single bytes, the rest for their UTF-8 form.
    parts = _ESCAPE.split(key)
    path = b"".join(bytes.fromhex(part) if index % 2 else part.encode("utf-8") for index, part in enumerate(parts))
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise ValueError(f"bad source key {key[:200]!r}: it must name a file below the source, without '..'")
    return path
