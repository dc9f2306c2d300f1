"""Before a run: source and target are apart, one can be read, and the other takes what the ledger relies on."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from oodinv.ledger.identity import new_attempt
from oodinv.ledger.inputs import is_photo_key
from oodinv.store import (
    DEFAULT_ACCESS,
    Access,
    AccessError,
    ConditionsUnsupported,
    LocationError,
    ObjectMissing,
    ObjectRefused,
    OutcomeUnknown,
    Store,
    StoreError,
    local_folder,
    open_source,
    open_store,
)
from oodinv.store.s3_uri import is_s3, parse_s3

logger = logging.getLogger(__name__)

_PROBES = 3
_PROBE = "runs/probe-"


def check_locations(
    source_uri: str,
    target_uri: str,
    access: Access = DEFAULT_ACCESS,
    *,
    write: bool = True,
    require_fencing: bool = False,
) -> Access:
    """Refuse a pair of places that would do harm or cannot work.

    Args:
        source_uri: The photos; must exist.
        target_uri: The dataset; a folder need not exist, a bucket must.
        access: How to reach both.
        write: Also write to the target and probe create-only writes; off for a dry run, which leaves no trace.
        require_fencing: Refuse a target that ignores create-only conditions, instead of using it as single writer.

    Returns:
        ``access``, as single writer if the target ignores create-only conditions.

    Raises:
        LocationError: The source is missing; names, rights or credentials are wrong; or source and target are equal or
            one lies inside the other, links resolved: the results would become inputs of the next run.
        StoreError: A place failed, or the target cannot be written.
    """
    source = open_source(source_uri, access)
    target = open_store(target_uri, replace(access, single_writer=False))
    _check_apart(source_uri, target_uri)
    check_readable(source)
    with _users_mistakes():
        next(target.list(_PROBE), None)
        if not write or probe_create_only(target):
            return access
    if require_fencing or not is_s3(target_uri):
        raise StoreError(
            f"{target.uri} does not keep create-only writes apart: two runs could overwrite each other. Name a target "
            "on another store"
            + (", or leave out --require-fencing and run one writer only." if require_fencing else ".")
        )
    logger.warning("the target %s ignores create-only writes: run one writer only", target.uri)
    return replace(access, single_writer=True)


def check_readable(source: Store) -> None:
    """Make sure that the photos can be listed and read, by asking for the first.

    Raises:
        LocationError: No such bucket, no right, or no credentials.
        StoreError: The source failed.
    """
    with _users_mistakes():
        first = next((info.key for info in source.list() if is_photo_key(info.key)), None)
        if first is not None:
            with suppress(ObjectMissing, ObjectRefused):  # that photo's own trouble; its row will say so
                source.fetch(first, max_bytes=0)


def probe_create_only(target: Store) -> bool:
    """Put one key twice.

    Returns:
        True when the second time was refused, as it must be where several writers work at once.

    Raises:
        StoreError: The target cannot be written, or does not answer.
    """
    for probe in range(1, _PROBES + 1):
        key = f"{_PROBE}{new_attempt()}"
        try:
            accepted = target.create(key, b"probe"), target.create(key, b"probe again")
            return accepted == (True, False) and target.get(key) == b"probe"
        except ConditionsUnsupported:
            return False
        except OutcomeUnknown:
            if probe == _PROBES:
                raise
        finally:
            with suppress(StoreError):  # no right to delete: what stays behind harms nobody
                target.delete(key)
    raise AssertionError("unreachable")


@contextmanager
def _users_mistakes() -> Iterator[None]:
    """Before anything was done, wrong names, rights and credentials are for the user to mend."""
    try:
        yield
    except AccessError as error:
        raise LocationError(error.problem) from None


def _check_apart(source_uri: str, target_uri: str) -> None:
    if is_s3(source_uri) and is_s3(target_uri):
        source, target = parse_s3(source_uri), parse_s3(target_uri)
        _refuse_nesting("place", source.uri, target.uri, source.contains(target), target.contains(source))
    elif not is_s3(source_uri) and not is_s3(target_uri):
        photos, results = local_folder(source_uri), local_folder(target_uri)
        within = _is_within(results, photos), _is_within(photos, results)
        _refuse_nesting("folder", str(photos), str(results), *within)


def _refuse_nesting(kind: str, source: str, target: str, source_has_target: bool, target_has_source: bool) -> None:
    if source_has_target:
        where = f"the same {kind} as" if target_has_source else "inside"
        raise LocationError(
            f"the target {target!r} is {where} the source {source!r}: results would be read as photos by the next run. "
            "Name a target outside the source."
        )
    if target_has_source:
        raise LocationError(
            f"the source {source!r} is inside the target {target!r}: name a target that does not hold the photos."
        )


def _is_within(inner: Path, outer: Path) -> bool:
    """True when ``inner`` is ``outer`` or below it, by path or, for other names of one folder, by inode."""
    if inner.is_relative_to(outer):
        return True
    if not outer.exists():
        return False
    return any(place.exists() and os.path.samefile(place, outer) for place in (inner, *inner.parents))
