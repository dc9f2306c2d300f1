import re

import pytest

from oodinv.report.maintenance_report import GarbageFacts, MaintenanceFacts, maintenance_report

HOSTILE = ["a|b", "`code`", "line\nbreak\r\n# heading", "<img src=x>", "\x00\x1b[31m", "x" * 2000, "", "\u2028# next"]


def garbage(**changes):
    given = {
        "grace_hours": 24.0,
        "delete": False,
        "candidates": ["products/p/data/x"],
        "num_candidates": 1,
        "candidate_bytes": 10,
        "num_young": 3,
        "num_deleted": 0,
        "deleted_bytes": 0,
        "foreign": [],
        "num_foreign": 0,
        "errors": [],
        "num_errors": 0,
    }
    return GarbageFacts(**given | changes)


NO_GARBAGE = garbage(candidates=[], num_candidates=0, candidate_bytes=0, num_young=0)


def facts(**changes):
    given = {
        "target": "out",
        "deep": False,
        "num_products": 2,
        "num_commits": 4,
        "num_objects": 6,
        "problems": [],
        "num_problems": 0,
        "num_orphans": 0,
        "orphan_bytes": 0,
        "garbage": NO_GARBAGE,
        "snapshot": 7,
        "seconds": 1.5,
    }
    return MaintenanceFacts(**given | changes)


BROKEN = {"problems": ["it is gone"], "num_problems": 1, "garbage": None, "snapshot": None}


def table(report):
    return dict(re.findall(r"^\| (.+) \| (.+) \|$", report, re.MULTILINE))


def to_do(report):
    return report.split("## What to do\n\n")[1].split("\n\n")[0].splitlines()


def test_a_dataset_in_order_needs_nothing():
    report = maintenance_report(facts())
    assert report.startswith("# Maintenance report\n\n`out`, 1.5 s. The books are clean.\n")
    found = table(report)
    assert (found["products"], found["commits"], found["problems"], found["snapshot"]) == ("2", "4", "0", "7")
    assert found["objects, checked by size"] == "6"
    assert to_do(report) == ["* Nothing."]
    assert report.count("\n## ") == 1


def test_a_dry_run_counts_names_and_says_how_to_delete():
    report = maintenance_report(facts(num_orphans=4, orphan_bytes=99, garbage=garbage()))
    found = table(report)
    assert found["orphans: objects that nothing lists"] == "4 (99 bytes)"
    assert found["garbage: orphans older than 24 h"] == "1 (10 bytes)"
    assert (found["deleted"], found["kept, younger than that"]) == ("none, a dry run", "3")
    assert to_do(report) == ["* Run again with `delete` to free the space that garbage takes."]
    assert "## Garbage, not deleted (dry run)\n\n* `products/p/data/x`" in report


def test_what_was_deleted_is_counted_and_needs_nothing():
    report = maintenance_report(facts(deep=True, garbage=garbage(delete=True, num_deleted=1, deleted_bytes=10)))
    assert table(report)["deleted"] == "1 (10 bytes)" and "## Garbage\n" in report
    assert table(report)["objects, read and hashed"] == "6"
    assert to_do(report) == ["* Nothing."]


def test_problems_are_named_and_say_that_nothing_was_deleted():
    report = maintenance_report(facts(**BROKEN))
    assert "**1 problems.**" in report and "clean" not in report
    assert (table(report)["garbage"], table(report)["snapshot"]) == ("not collected", "none published")
    assert "Nothing was deleted and no snapshot was published" in to_do(report)[0]
    assert "from a backup" in to_do(report)[1]
    assert "## Problems\n\n* `it is gone`" in report


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"garbage": garbage(delete=True, errors=["no right"], num_errors=1)}, "the right to delete may be missing"),
        ({"garbage": garbage(delete=True, foreign=["notes.txt"], num_foreign=1)}, "Move away what this program did"),
        ({"snapshot": None}, "nothing is committed yet"),
    ],
)
def test_each_thing_that_waits_for_a_person_is_said(changes, advice):
    (said,) = to_do(maintenance_report(facts(**changes)))
    assert advice in said


def test_long_lists_are_counted_and_the_first_are_shown():
    names = [f"runs/probe-{number:032x}" for number in range(200)]
    many = garbage(candidates=names, num_candidates=1000, foreign=names, num_foreign=60, errors=names, num_errors=50)
    report = maintenance_report(facts(garbage=many, problems=names, num_problems=201))
    assert report.count("* `runs/probe-") == 4 * 50
    assert [int(more) for more in re.findall(r"\* … and (\d+) more", report)] == [151, 950, 10]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_stays_in_its_line(text):
    hostile = garbage(candidates=[text], foreign=[text], num_foreign=1, errors=[text], num_errors=1)
    report = maintenance_report(facts(target=text, problems=[text], num_problems=1, garbage=hostile))
    assert report.count("\n# ") == 0 and report.count("\n## ") == 5 and "<" not in report
    assert len(re.findall(r"^\* `[^`|<>]+`$", report, re.MULTILINE)) == 4
