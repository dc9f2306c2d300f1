"""The maintenance report: Markdown that says what was checked, what lies about and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from oodinv.report.run_report import cell

_SHOWN = 50
_WIDE = 300


@dataclass(frozen=True, kw_only=True)
class GarbageFacts:
    """What collecting garbage came to."""

    grace_hours: float
    delete: bool
    """False: a dry run."""
    candidates: Sequence[str]
    """The first of them, by name."""
    num_candidates: int
    candidate_bytes: int
    num_young: int
    num_deleted: int
    deleted_bytes: int
    foreign: Sequence[str]
    num_foreign: int
    errors: Sequence[str]
    num_errors: int


@dataclass(frozen=True, kw_only=True)
class MaintenanceFacts:
    """What one round of maintenance found and did."""

    target: str
    deep: bool
    """Every object was read and hashed."""
    num_products: int
    num_commits: int
    num_objects: int
    problems: Sequence[str]
    """The first of them."""
    num_problems: int
    num_orphans: int
    orphan_bytes: int
    garbage: GarbageFacts | None
    """None: not looked for, because of the problems."""
    snapshot: int | None
    """Its number; None: none was published."""
    seconds: float


def maintenance_report(facts: MaintenanceFacts) -> str:
    """The report as Markdown."""
    how = "read and hashed" if facts.deep else "checked by size"
    verdict = f"**{facts.num_problems} problems.**" if facts.num_problems else "The books are clean."
    parts = [
        "# Maintenance report",
        f"{cell(facts.target)}, {facts.seconds:.1f} s. {verdict}",
        _table(
            [
                ("products", str(facts.num_products)),
                ("commits", str(facts.num_commits)),
                (f"objects, {how}", str(facts.num_objects)),
                ("problems", str(facts.num_problems)),
                ("orphans: objects that nothing lists", _sized(facts.num_orphans, facts.orphan_bytes)),
                *_garbage_rows(facts.garbage),
                ("snapshot", "none published" if facts.snapshot is None else str(facts.snapshot)),
            ]
        ),
        "## What to do",
        "\n".join(f"* {advice}" for advice in _advice(facts)),
    ]
    parts += _section("Problems", facts.problems, facts.num_problems)
    if facts.garbage is not None:
        garbage = facts.garbage
        title = "Garbage" if garbage.delete else "Garbage, not deleted (dry run)"
        parts += _section("Not done", garbage.errors, garbage.num_errors)
        parts += _section(title, garbage.candidates, garbage.num_candidates)
        parts += _section("Not ours, kept", garbage.foreign, garbage.num_foreign)
    return "\n\n".join(parts) + "\n"


def _garbage_rows(garbage: GarbageFacts | None) -> list[tuple[str, str]]:
    if garbage is None:
        return [("garbage", "not collected")]
    deleted = _sized(garbage.num_deleted, garbage.deleted_bytes) if garbage.delete else "none, a dry run"
    return [
        (
            f"garbage: orphans older than {garbage.grace_hours:g} h",
            _sized(garbage.num_candidates, garbage.candidate_bytes),
        ),
        ("deleted", deleted),
        ("kept, younger than that", str(garbage.num_young)),
    ]


def _advice(facts: MaintenanceFacts) -> list[str]:
    """One sentence for each thing that waits for a person."""
    if facts.num_problems:
        return [
            "Nothing was deleted and no snapshot was published: what is damaged must not be built upon.",
            "Bring back from a backup what is named below, or start a new target. Nothing that is published heals by "
            "running again.",
            "`oodinv dataset fsck` on this target lists the problems again; without `--quick` it reads every object.",
        ]
    advice = []
    if (garbage := facts.garbage) is not None:
        if garbage.num_errors:
            advice.append("Read what was not done: the right to delete may be missing. The next round tries again.")
        if garbage.num_candidates and not garbage.delete:
            advice.append("Run again with `delete` to free the space that garbage takes.")
        if garbage.num_foreign:
            advice.append("Move away what this program did not write: it lies where only attempts write.")
    if facts.snapshot is None:
        advice.append("Run `oodinv augment` on this target: nothing is committed yet, so there is nothing to read.")
    return advice or ["Nothing."]


def _section(title: str, texts: Sequence[str], total: int) -> list[str]:
    """A heading and a bounded list of foreign text; nothing for an empty one."""
    if not total:
        return []
    shown = [f"* {cell(text, _WIDE)}" for text in texts[:_SHOWN]]
    rest = [f"* … and {total - len(shown)} more"] if total > len(shown) else []
    return [f"## {title}", "\n".join(shown + rest)]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| what | found |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _sized(number: int, num_bytes: int) -> str:
    return f"{number} ({num_bytes} bytes)" if number else "0"
