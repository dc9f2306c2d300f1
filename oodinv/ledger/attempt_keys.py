"""Reading keys backwards: which attempt wrote an object. Strict, because what is unknown here is never deleted."""

import re

from oodinv.ledger.layout import ATTEMPT_DEPTH, data_prefix, shard_prefix
from oodinv.ledger.snapshot import PREFIX

PROBES = "runs/probe-"
"""What a killed preflight leaves; a run's own folder ends in ``/``."""

SNAPSHOT_DATA = f"{PREFIX}data/"

_ATTEMPT = "[0-9a-f]{32}"
_PRODUCT_OBJECT = re.compile(rf"[0-9a-f]{{2}}/([0-9]+-[0-9]+)/{_ATTEMPT}/.+")
_SNAPSHOT_OBJECT = re.compile(rf"{SNAPSHOT_DATA}{_ATTEMPT}/.+")
_PROBE = re.compile(f"{PROBES}{_ATTEMPT}")


def shard_of(product: str, key: str) -> str | None:
    """The shard that an attempt wrote this object of a product for; None when no attempt ever writes such a key."""
    match = _PRODUCT_OBJECT.fullmatch(key.removeprefix(data_prefix(product)))
    return match[1] if match and key.startswith(shard_prefix(product, match[1])) else None


def is_snapshot_object(key: str) -> bool:
    """True for what an attempt at a snapshot writes."""
    return _SNAPSHOT_OBJECT.fullmatch(key) is not None


def is_probe(key: str) -> bool:
    """True for what a preflight writes to try the store."""
    return _PROBE.fullmatch(key) is not None


def attempt_folder(key: str) -> str:
    """The folder of the attempt that wrote an object of a shard or a snapshot."""
    depth = ATTEMPT_DEPTH if key.startswith("products/") else 3
    return "/".join(key.split("/")[:depth])
