import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.report.cost import Prices, Usage
from oodinv.report.run_report import Failure, RunFacts, cell, run_report, status_table
from oodinv.report.spans import bucket

HOSTILE = [
    "a|b", "`code`", "line\nbreak\r\n# heading", "<img src=x onerror=alert(1)>", "](http://x)", "\u202egpj",
    "\x00\x1b[31m", "‖||``", "\\|", "caf%E9", "x" * 2000, "", " ", "&lt;script&gt;", "**bold**", "\u2028next",
]  # fmt: skip


def facts(**changes):
    given = {
        "source": "photos",
        "target": "out",
        "bundle": "embedded",
        "num_inputs": 10,
        "samples": {
            "faces-00000000": {"ok": 6, "skipped": 2, "failed": 1, "quarantined": 1},
            "smile_p1.00-00000000": {"ok": 5, "skipped": 2, "failed": 1, "quarantined": 0},
        },
        "shards_done": 3,
        "shards_before": 1,
        "photos_done": 8,
        "seconds": 4.0,
        "stages": {"detect": 3.0, "edit": 1.0},
        "spans": {"detect": {bucket(0.5): 3, bucket(1.5): 1}},
    }
    return RunFacts(**given | changes)


def numbers(line):
    return [int(field) for field in re.findall(r"\| (-?\d+) (?=\|)", line)]


def test_counts_add_up_and_what_is_missing_is_pending():
    lines = status_table(facts().samples, 10).splitlines()
    assert lines[0] == "| product | planned | ok | skipped | failed | quarantined | pending |"
    for line, pending in zip(lines[2:], (0, 2), strict=True):
        planned, *parts = numbers(line)
        assert planned == sum(parts) == 10 and parts[-1] == pending


def test_the_report_says_what_was_done_and_how_fast():
    report = run_report(facts())
    assert "3 shards done in this run, 1 were done before. 8 photos in 4.0 s, 2.00 photos/s." in report
    assert "| detect | 4 | " in report and "| 3.0 | 75% |" in report and "| edit | 0 |  |  | 1.0 | 25% |" in report
    assert "given up" not in report and "without result" not in report


@pytest.mark.parametrize("changes", [{"photos_done": 0}, {"seconds": 0.0}, {"stages": {}}, {"stages": {"detect": 0.0}}])
def test_a_run_of_nothing_divides_by_nothing(changes):
    assert run_report(facts(**changes)).startswith("# Run report\n")


def test_shards_that_were_given_up_are_named_with_what_to_do():
    report = run_report(facts(given_up={"1-000003": "its process died: | oh `no`"}))
    assert "* shard `1-000003`: `its process died: ¦ oh 'no'`" in report
    assert "Run the same command again to try them anew." in report


def failures(texts):
    return [Failure(key=text, status="failed", error_class="truncated", message=text) for text in texts]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_name_stays_in_its_cell(text):
    report = run_report(facts(failures=failures([text]), source=text, bundle=text, given_up={"1-000000": text}))
    table = report.split("## Photos without result")[1].strip().splitlines()
    assert len(table) == 3
    assert re.fullmatch(r"\| `[^`|<>]+` \| `failed` \| `truncated` \| `[^`|<>]+` \|", table[2])
    assert report.count("\n# ") == 0 and "<" not in report and len(table[2]) < 300


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_becomes_one_line_of_inline_code(text):
    shown = cell(text)
    assert shown.startswith("`") and shown.endswith("`") and shown.count("`") == 2
    assert shown.isprintable() and not set(shown) & set("|<>\n\r")
    assert 3 <= len(shown) <= 122


def test_many_failures_are_counted_and_the_first_are_shown():
    report = run_report(facts(failures=failures([f"{number}.jpg" for number in range(70)])))
    assert report.count("| `failed` |") == 50 and "| … and 20 more | | | |" in report


def test_what_was_skipped_because_it_was_done_is_said():
    assert "700 photos were skipped because they were done." in run_report(facts(photos_before=700))
    assert "skipped because" not in run_report(facts())


def test_the_cost_of_a_thousand_photos_follows_from_the_prices():
    usage = Usage(actor_s=7200.0, requests={"read": 4000, "write": 1000}, bytes=2_000_000_000)
    prices = Prices(actor_hour=1.5, read_1000=0.25, write_1000=2.0, gb_month=0.5, currency="EUR")
    report = run_report(facts(photos_done=500, usage=usage, prices=prices, actors=2, nodes=3, objects=9))
    # 2 h × 1.5 + 4 × 0.25 + 1 × 2 + 2 GB × 0.5 = 7 for 500 photos
    assert (
        "Actors 3.0000 + requests 3.0000 + a month of storage 1.0000 = 7.0000 `EUR`; 14.0000 `EUR` for 1,000" in report
    )
    assert "2 actors on 3 nodes, 2.000 actor hours; 9 objects, 2000.0 MB written" in report
    assert "requests: 4000 read, 1000 write." in report


def test_without_prices_no_cost_is_made_up():
    report = run_report(facts(usage=Usage(actor_s=10.0, requests={}, bytes=5)))
    assert "No prices were given" in report and "requests: none billed" in report and "1,000 photos" not in report


def test_classes_count_all_photos_also_those_that_are_not_listed():
    report = run_report(facts(failures=failures(["a.jpg"]), failure_classes={"truncated": 80, "no-face": 120}))
    assert report.index("| `no-face` | 120 |") < report.index("| `truncated` | 80 |")
    assert "… and 199 more" in report


def test_only_web_addresses_become_links():
    links = {
        "gallery": "https://x.example/a b>/g.html",
        "rows": "s3://bucket/latest.json",
        "evil": "javascript:alert(1)",
    }
    report = run_report(facts(), links)
    assert "* gallery: <https://x.example/a%20b%3E/g.html>" in report
    assert "* rows: `s3://bucket/latest.json`" in report and "* evil: `javascript:alert(1)`" in report
