"""What collecting garbage finds, judges and counts; bounded, however much it is."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from oodinv.ledger.findings import MAX_SHOWN
from oodinv.store import ObjectInfo, Store, StoreError

MAX_FAILED_DELETIONS = 20
"""Then no more are tried: the right is missing, and a million refusals would not say it better."""


@dataclass(frozen=True, kw_only=True)
class GarbageReport:
    """What was found and what became of it. Names are kept up to ``findings.MAX_SHOWN``, the rest is counted."""

    uri: str
    grace_s: float
    delete: bool
    """False: a dry run, nothing was deleted."""

    candidates: tuple[str, ...]
    """Objects that nothing lists, of attempts older than the grace; in a folder also unfinished files in ``.tmp``."""

    num_candidates: int
    candidate_bytes: int
    num_young: int
    """Objects that nothing lists yet and that are kept: their attempt may be at work, or their age is unknown."""

    num_deleted: int
    """Candidates that are gone, whoever deleted them first."""

    deleted_bytes: int
    foreign: tuple[str, ...]
    """Objects in the folders of attempts that no attempt writes. They are kept."""

    num_foreign: int
    errors: tuple[str, ...]
    """What was left alone because its books are damaged, and deletions that the store refused."""

    num_errors: int


@dataclass
class Garbage:
    """Judges one attempt after another, deletes if asked, and counts."""

    target: Store
    grace_s: float
    now: float
    delete: bool
    candidates: list[str] = field(default_factory=list)
    num_candidates: int = 0
    candidate_bytes: int = 0
    num_young: int = 0
    num_deleted: int = 0
    deleted_bytes: int = 0
    foreign: list[str] = field(default_factory=list)
    num_foreign: int = 0
    errors: list[str] = field(default_factory=list)
    num_errors: int = 0
    num_failed: int = 0
    """Deletions that the store refused."""

    def judge(
        self,
        attempt: Collection[ObjectInfo],
        listed: Collection[str] = (),
        remove: Callable[[str], object] | None = None,
    ) -> None:
        """Take in one attempt; what nobody lists is garbage once its newest object is older than the grace.

        Args:
            attempt: All its objects.
            listed: Keys that commits or snapshots list.
            remove: Deletes a key; the target's ``delete`` by default.
        """
        garbage = [info for info in attempt if info.key not in listed]
        # A store that does not say when it wrote says 0: what has no age is never old enough.
        if any(not 0 < info.modified < self.now - self.grace_s for info in attempt):
            self.num_young += len(garbage)
            return
        for info in garbage:
            self.num_candidates += 1
            self.candidate_bytes += info.size
            if len(self.candidates) < MAX_SHOWN:
                self.candidates.append(info.key)
            if self.delete and self.num_failed < MAX_FAILED_DELETIONS:
                self._delete(info, remove or self.target.delete)

    def keep(self, foreign: Iterable[ObjectInfo]) -> None:
        """Objects that are not ours to judge."""
        for info in foreign:
            self.num_foreign += 1
            if len(self.foreign) < MAX_SHOWN:
                self.foreign.append(info.key)

    def error(self, text: str) -> None:
        """Something that was not done."""
        self.num_errors += 1
        if len(self.errors) < MAX_SHOWN:
            self.errors.append(text)

    def report(self) -> GarbageReport:
        """Everything so far."""
        return GarbageReport(
            uri=self.target.uri,
            grace_s=self.grace_s,
            delete=self.delete,
            candidates=tuple(self.candidates),
            num_candidates=self.num_candidates,
            candidate_bytes=self.candidate_bytes,
            num_young=self.num_young,
            num_deleted=self.num_deleted,
            deleted_bytes=self.deleted_bytes,
            foreign=tuple(self.foreign),
            num_foreign=self.num_foreign,
            errors=tuple(self.errors),
            num_errors=self.num_errors,
        )

    def _delete(self, info: ObjectInfo, remove: Callable[[str], object]) -> None:
        try:
            remove(info.key)
        except StoreError as error:
            self.error(f"{info.key} was not deleted: {error}")
            self.num_failed += 1
            if self.num_failed == MAX_FAILED_DELETIONS:
                self.error(f"{MAX_FAILED_DELETIONS} deletions failed, so no more were tried")
        else:
            self.num_deleted += 1
            self.deleted_bytes += info.size
