"""Before a run: source and target are apart, and the target takes what the ledger relies on."""

import os
from pathlib import Path

from oodinv.ledger.identity import new_attempt
from oodinv.store import DEFAULT_ACCESS, Access, LocationError, Store, StoreError, local_folder, open_source, open_store


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
        target_uri: The dataset; need not exist.
        access: How to reach both.
        write: Also write to the target and probe create-only writes; off for a dry run, which leaves no trace.
        require_fencing: Refuse a target that ignores create-only conditions, instead of using it as single writer.

    Returns:
        ``access``, as single writer if the target ignores create-only conditions.

    Raises:
        LocationError: The source is missing; or source and target are equal or one lies inside the other, links
            resolved: the results would become inputs of the next run.
        StoreError: The target cannot be written.
    """
    open_source(source_uri, access)
    target = open_store(target_uri, access)
    _check_apart(local_folder(source_uri), local_folder(target_uri))
    if write:
        probe_create_only(target)
    return access


def probe_create_only(target: Store) -> None:
    """Put one key twice: the second time must be refused.

    Raises:
        StoreError: The target cannot be written, or overwrites what create-only writes must protect.
    """
    key = f"runs/probe-{new_attempt()}"
    accepted = target.create(key, b"probe"), target.create(key, b"probe again")
    kept = target.get(key)
    target.delete(key)
    if accepted != (True, False) or kept != b"probe":
        raise StoreError(
            f"{target.uri} does not keep create-only writes apart (answers {accepted}): two runs could overwrite each "
            "other. Name a target on another store."
        )


def _check_apart(source: Path, target: Path) -> None:
    if _is_within(target, source):
        where = "the same folder as" if _is_within(source, target) else "inside"
        raise LocationError(
            f"the target {str(target)!r} is {where} the source {str(source)!r}: results would be read as photos by the "
            "next run. Name a target outside the source."
        )
    if _is_within(source, target):
        raise LocationError(
            f"the source {str(source)!r} is inside the target {str(target)!r}: name a target that does not hold the "
            "photos."
        )


def _is_within(inner: Path, outer: Path) -> bool:
    """True when ``inner`` is ``outer`` or below it, by path or, for other names of one folder, by inode."""
    if inner.is_relative_to(outer):
        return True
    if not outer.exists():
        return False
    return any(place.exists() and os.path.samefile(place, outer) for place in (inner, *inner.parents))
