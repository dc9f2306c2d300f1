"""What a check of the books collects; bounded, however damaged the dataset is."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from oodinv.store import ObjectInfo

MAX_SHOWN = 200
"""Problems and orphans that are kept by name; beyond they are counted only."""


@dataclass
class Findings:
    """Filled by the audits, one after another."""

    problems: list[str] = field(default_factory=list)
    num_problems: int = 0
    orphans: list[str] = field(default_factory=list)
    num_orphans: int = 0
    orphan_bytes: int = 0
    num_commits: int = 0
    num_objects: int = 0

    def problem(self, text: str) -> None:
        """Something that must not be."""
        self.num_problems += 1
        if len(self.problems) < MAX_SHOWN:
            self.problems.append(text)

    def problems_from(self, texts: Iterable[str]) -> None:
        """Several at once."""
        for text in texts:
            self.problem(text)

    def orphan(self, info: ObjectInfo) -> None:
        """An object that nothing lists: left by a killed or slower attempt, or by one that is still at work."""
        self.num_orphans += 1
        self.orphan_bytes += info.size
        if len(self.orphans) < MAX_SHOWN:
            self.orphans.append(info.key)
