"""What an imported bundle says about itself."""

from collections.abc import Mapping, Sequence

from oodinv.bundles.formats.choose import Source
from oodinv.bundles.formats.parts import ROLES, Role, Setting

LICENCE = (
    "not stated; the licences of the imported files apply, and public weights trained on FFHQ or CelebA-HQ are for "
    "non-commercial use"
)


def provenance(sources: Mapping[Role, Source]) -> str:
    """One line: which file, with the beginning of its hash, gave which part."""
    return "; ".join(f"{role} from {s.name} (sha256 {s.sha256[:12]}…)" for role, s in _in_order(sources))


def write_card(
    name: str, sources: Mapping[Role, Source], *, setting: Setting, licence: str, facts: Sequence[str]
) -> str:
    """The card, Markdown.

    Args:
        name: The bundle's.
        sources: Files by part.
        setting: The bundle's.
        licence: The bundle's.
        facts: What an import decided or left out, one sentence each.
    """
    rows = [f"| {role} | `{s.name}` | {s.kind} | `{s.sha256}` |" for role, s in _in_order(sources)]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"Imported from published files; setting `{setting}`, weights in float32.",
            "",
            "| part | file | what it is | sha256 |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            *(f"* {fact}" for fact in facts),
            "",
            "## Licence",
            "",
            f"{licence}.",
            "",
            "A conversion changes nothing about whose weights they are: the licences of the files above and of the "
            "photos they were trained on apply. Weights trained on FFHQ or CelebA-HQ, which are most public ones for "
            "faces, are for non-commercial use.",
            "",
        ]
    )


def _in_order(sources: Mapping[Role, Source]) -> list[tuple[Role, Source]]:
    return [(role, sources[role]) for role in ROLES if role in sources]
