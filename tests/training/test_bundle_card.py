"""Model cards of trained bundles."""

from oodinv.training.bundle_card import Part, write_card
from oodinv.training.record import Record

TOLD = {"resolution": 64, "dtype": "float16", "licence": "ours", "provenance": "noise"}


def part(**fingerprint) -> Part:
    settings = {"training": {"batch": 8, "images": 80}}
    return Part(
        name="encoder",
        parameters=1_500_000,
        record=Record(kind="encoder", settings=settings, fingerprint=fingerprint, steps=10),
    )


def test_limits_stand_before_the_licence_and_only_where_there_are_any():
    card = write_card("mine", [part()], None, limits="Faces of cats.", **TOLD)
    assert card.index("## What was measured") < card.index("## Limits\n\nFaces of cats.\n") < card.index("## Licence")
    assert "## Limits" not in write_card("mine", [part()], None, **TOLD)


def test_a_network_that_began_from_another_says_so():
    (row,) = [line for line in write_card("mine", [part(begin="abc")], None, **TOLD).splitlines() if "1.5 M" in line]
    assert "| 10 | 80 | begun from another, whose images are not counted here; " in row
    assert "begun" not in write_card("mine", [part(begin=None)], None, **TOLD)
