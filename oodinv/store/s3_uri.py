"""``s3://bucket/prefix`` as the user types it."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from oodinv.store.errors import LocationError

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


@dataclass(frozen=True, kw_only=True)
class S3Place:
    """A bucket and the part of it that is meant."""

    bucket: str

    prefix: str
    """Empty for the whole bucket, else ends in ``/``."""

    @property
    def uri(self) -> str:
        """Parsing this gives the same place."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def contains(self, other: "S3Place") -> bool:
        """True when every key of ``other`` is a key of this place; ``a`` does not contain ``ab``."""
        return self.bucket == other.bucket and other.prefix.startswith(self.prefix)


def is_s3(uri: str) -> bool:
    """True for what claims to be an S3 URI, well-formed or not."""
    return uri.lower().startswith("s3://")


def parse_s3(uri: str) -> S3Place:
    """Read ``s3://bucket`` or ``s3://bucket/prefix``; a closing slash changes nothing, nothing is percent-decoded.

    Raises:
        LocationError: Anything else in it: user and password, query, fragment, a name no bucket can have, or a prefix
            with ``.``, ``..``, empty parts or control characters. The text leaves out what may be secret.
    """
    rest = uri[len("s3://") :]
    if "@" in rest.partition("/")[0]:
        raise LocationError(
            "expected s3://bucket/prefix, got an S3 URI with a user in it: credentials come from the environment "
            "(AWS_PROFILE, AWS_ACCESS_KEY_ID …), name the bucket alone"
        )
    for mark, what in (("?", "query"), ("#", "fragment")):
        if mark in rest:
            raise LocationError(
                f"expected s3://bucket/prefix, got {'s3://' + rest.partition(mark)[0]!r} with a {what}: leave out "
                f"everything from {mark!r} on"
            )
    bucket, _, prefix = rest.partition("/")
    if not _BUCKET.fullmatch(bucket) or _ADDRESS.fullmatch(bucket):
        raise LocationError(
            f"expected s3://bucket/prefix, got {uri!r}: {bucket!r} is no bucket name (3 to 63 of a-z, 0-9, '-' and "
            "'.', letter or digit at both ends); the server's address goes into --endpoint-url"
        )
    if prefix and any(part in ("", ".", "..") for part in prefix.removesuffix("/").split("/")):
        raise LocationError(
            f"expected s3://bucket/prefix, got {uri!r}: no part of the prefix may be empty, '.' or '..'"
        )
    if not prefix.isprintable():
        raise LocationError(f"expected s3://bucket/prefix, got {uri!r}: the prefix holds control characters")
    return S3Place(bucket=bucket, prefix=prefix and prefix.removesuffix("/") + "/")


def check_endpoint(url: str) -> str:
    """Accept the address of an S3 server.

    Raises:
        LocationError: Not ``http(s)://host[:port]``, or more than that. The text leaves out what may be secret.
    """
    expected = "expected an endpoint like https://s3.example.org or http://127.0.0.1:9000"
    parts = _split(url)
    if parts is None:
        raise LocationError(f"{expected}, got one that is no URL")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise LocationError(f"{expected}, got one with user, query or fragment: give scheme, host and port alone")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LocationError(f"{expected}, got {url!r}")
    return url


def _split(url: str) -> SplitResult | None:
    """None for no URL. The error that says so is dropped, for it quotes what may be secret."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None
