"""Names that follow from content: samples, fingerprints, products, attempts."""

import hashlib
import json
import math
import re
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SCHEMA_VERSION = 1
"""Of the rows and the ledger's own JSON."""

ALGORITHM_VERSIONS: Mapping[str, int] = MappingProxyType(
    {"decode": 1, "detect": 2, "align": 1, "model": 2, "compose": 1, "encode": 2}
)
"""Raised by hand when a stage's output changes for the same input; never a commit id, which changes without reason."""

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,150}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def sha256_hex(data: bytes) -> str:
    """The content's address, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sample_id(key: str) -> str:
    """First 32 hex digits of the SHA-256 of an input's key relative to the source."""
    return sha256_hex(key.encode("utf-8"))[:32]


def canonical_json(obj: Any) -> bytes:
    """One byte string per value: sorted keys, no spaces, UTF-8, no NaN, no negative zero.

    ``1`` and ``1.0`` stay different: give every number its type on purpose.

    Raises:
        TypeError: Not JSON, or a mapping with keys that are no strings (JSON would merge ``1`` and ``"1"``).
        ValueError: NaN or an infinity.
    """
    return json.dumps(_plain(obj), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8"
    )


def _plain(obj: Any) -> Any:
    if isinstance(obj, Mapping):
        for key in obj:
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON needs string keys, got {key!r}")
        return {key: _plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_plain(value) for value in obj]
    if isinstance(obj, float):
        if not math.isfinite(obj):
            raise ValueError(f"canonical JSON holds finite numbers only, got {obj}")
        return float(obj) + 0.0  # -0.0 becomes 0.0
    if obj is None or isinstance(obj, bool | int | str):
        return obj
    raise TypeError(f"canonical JSON holds plain values only, got {type(obj).__name__}: convert it first")


def fingerprint(spec: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a product's specification: everything that changes its output, nothing else."""
    return sha256_hex(canonical_json(spec))


def product_name(slug: str, fingerprint: str) -> str:
    """``<slug>-<first 8 hex>``, e.g. ``smile_p1.50-77d01b3e``.

    Raises:
        ValueError: A slug outside ``[a-z0-9._-]``, starting with a mark or longer than 151; or no SHA-256.
    """
    if not _SLUG.fullmatch(slug):
        raise ValueError(
            f"bad product slug {slug[:200]!r}: expected up to 151 of [a-z0-9._-], starting with a letter or digit"
        )
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"bad fingerprint {fingerprint[:80]!r}: expected 64 hex digits")
    return f"{slug}-{fingerprint[:8]}"


def new_attempt() -> str:
    """A fresh attempt id, 32 hex digits. Random: no clock and no host decides anything."""
    return uuid.uuid4().hex
