"""The table of an evaluation in a bundle's model card.

oodinv evaluate --bundle DIR --dataset TEST --out EVALUATION
python -m oodinv.evaluation.card DIR EVALUATION
"""

import argparse
import re
from pathlib import Path

from oodinv.bundles.bundle import find_bundle
from oodinv.evaluation.errors import EvaluationError
from oodinv.evaluation.write import MARKDOWN
from oodinv.training.bundle_card import MEASURED


def with_measurements(card: str, table: str) -> str:
    """Put a table into a card, in place of what its section `## What was measured` held; a card without one gets it.

    Args:
        card: The card's Markdown.
        table: Of `evaluation.table.markdown`; its headings go one level down, its pictures are left out, since a
            card's folder does not hold them.
    """
    lines = [line for line in table.splitlines() if not line.startswith(("# ", "!["))]
    text = "\n".join("#" + line if line.startswith("#") else line for line in lines).strip()
    text = re.sub(r"\n{3,}", "\n\n", text)
    section = f"{MEASURED}\n\n{text}\n"
    start = re.search(rf"^{MEASURED}$", card, flags=re.M)
    if start is None:
        return f"{card.rstrip()}\n\n{section}"
    following = re.search(r"^##? ", card[start.end() :], flags=re.M)
    rest = "" if following is None else "\n" + card[start.end() + following.start() :]
    return card[: start.start()] + section + rest


def update_card(bundle: str, evaluation: Path) -> Path:
    """Rewrite a bundle's card with an evaluation's table; the bundle's hash does not cover its card.

    Raises:
        BundleError: There is no such bundle.
        EvaluationError: There is no table, the card cannot be written, or the table is not about this bundle.
    """
    found = find_bundle(bundle)
    path = found.folder / found.spec.card
    try:
        table = (evaluation / MARKDOWN).read_text(encoding="utf-8")
        if found.sha256 not in table:
            raise EvaluationError(
                f"the table in {evaluation} is not about this bundle ({found.sha256[:12]}…): evaluate it first"
            )
        card = path.read_text(encoding="utf-8") if path.is_file() else f"# {found.spec.name}\n"
        path.write_text(with_measurements(card, table), encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{error.filename}: {error.strerror}; evaluate into this folder first") from error
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="name or folder")
    parser.add_argument("evaluation", type=Path, help="folder that `oodinv evaluate` wrote")
    arguments = parser.parse_args()
    print(update_card(arguments.bundle, arguments.evaluation))


if __name__ == "__main__":
    main()
