"""One folder with one of each kind of bad input, through the whole flow: orchestrator, cluster, ledger, report."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from bad_photos import bad_cases, good_cases, hostile_cases, no_inputs, write_cases
from kept_pixels import check
from odd_photos import odd_cases

from oodinv.ledger import dataset_status, fsck, read_snapshot, sample_id
from oodinv.store import open_store
from oodinv.store.keys import text_key

CASES = [*bad_cases(), *hostile_cases(), *good_cases(), *odd_cases()]


@dataclass(frozen=True)
class Runs:
    source: Path
    target: Path
    first: object
    """With the default --max-failed-share."""
    second: object
    """The same command again, with --max-failed-share 1."""
    before_second: dict
    after_second: dict


@pytest.fixture(scope="module")
def runs(oodinv, oodinv_alone, tiny_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    source, target = folder / "photos", folder / "out"
    source.mkdir()
    write_cases(source, [*CASES, *no_inputs()])
    command = ["augment", "--source", source, "--target", target, "--bundle", tiny_bundle, "--edit", "smile=+2"]
    command += ["--edit", "age=-1,yaw=+1", "--format", "png", "--keep", "masks", "--shard-size", 30, "--workers", 2]
    first = oodinv_alone(*command)
    before = files_of(target)
    second = oodinv(*command, "--max-failed-share", 1)
    return Runs(source, target, first, second, before, files_of(target))


def files_of(target):
    """Every file of the ledger with the time of its last change; reports and temporary files left out."""
    found = {}
    for path in target.rglob("*"):
        relative = path.relative_to(target).as_posix()
        if path.is_file() and not relative.startswith(("runs/", ".tmp/")):
            found[relative] = path.stat().st_mtime_ns
    return found


@pytest.fixture(scope="module")
def rows(runs):
    found = {}
    for row in read_snapshot(open_store(str(runs.target))).to_pylist():
        found.setdefault(row["product"], {}).setdefault(row["src_key"], []).append(row)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case.name[-40:]))
def test_every_input_has_its_row_in_every_product(rows, case):
    for by_key in rows.values():
        found = by_key[text_key(case.name)]
        assert {(row["status"], row["error_class"]) for row in found} == {(case.status, case.error_class)}
        assert all((row["error_message"] is not None) == (case.status != "ok") for row in found)


def test_there_are_three_products_and_no_rows_of_anything_else(rows):
    assert sorted(re.sub("-[0-9a-f]{8}$", "", name) for name in rows) == ["age_m1.00-yaw_p1.00", "faces", "smile_p2.00"]
    for by_key in rows.values():
        assert set(by_key) == {text_key(case.name) for case in CASES}


def test_too_many_failures_end_with_one_and_are_allowed_with_zero(runs):
    failed = sum(case.status == "failed" for case in CASES)
    assert runs.first.returncode == 1, runs.first.stderr
    said = f"oodinv: {failed / len(CASES):.1%} of the photos failed, more than max_failed_share 5.0%; the report"
    assert said in runs.first.stderr
    assert runs.second.returncode == 0, runs.second.stderr


def test_the_printed_summary_adds_up(runs, rows):
    for output in (runs.first.stdout, runs.second.stdout):
        lines = re.findall(
            r"^  (\S+): (\d+) photos = (\d+) ok, (\d+) skipped, (\d+) failed, (\d+) quarantined$", output, re.M
        )
        assert {name for name, *_ in lines} == set(rows)
        for _, *numbers in lines:
            planned, *parts = map(int, numbers)
            assert planned == sum(parts) == len(CASES)
            assert parts == [
                sum(case.status == s for case in CASES) for s in ("ok", "skipped", "failed", "quarantined")
            ]


def test_the_summary_names_places_that_exist(runs):
    places = re.findall(r"^(?:images and rows|metadata|contact sheet|report) +(\S+)", runs.first.stdout, re.M)
    assert len(places) == 4 and all(Path(place).exists() for place in places)


def test_the_dataset_is_whole(runs):
    store = open_store(str(runs.target))
    report = fsck(store)
    assert report.clean and report.num_orphans == 0, report.problems
    for product in dataset_status(store).products:
        assert product.planned == product.ok + product.skipped + product.failed and product.pending == 0


def test_the_same_command_again_does_no_shard_and_rewrites_nothing(runs):
    shards = -(-len(CASES) // 30)
    assert f"{shards} shards done, 0 were done before" in runs.first.stdout
    assert f"no shard to do, {shards} were done before" in runs.second.stdout
    assert runs.before_second == runs.after_second


def test_no_file_is_named_after_an_input_and_none_lies_elsewhere(runs, oodinv_alone):
    for name in runs.after_second:
        assert re.fullmatch(r"[a-z0-9./_-]+", name), name
    parts = [part for case in [*hostile_cases(), *no_inputs()] for part in text_key(case.name).split("/")]
    written = {part for name in runs.after_second for part in name.split("/")}
    assert not written & set(parts)
    assert not [
        path for path in (runs.source.parent, oodinv_alone.folder) for path in path.iterdir() if "hacked" in path.name
    ]
    assert sorted(os.listdir(runs.source.parent)) == ["out", "photos"]


def test_outputs_are_named_by_sample_and_what_the_mask_keeps_is_the_photos(runs, rows):
    for product, by_key in rows.items():
        for key, found in by_key.items():
            for row in found:
                if row["out_key"] is not None:
                    assert row["out_key"].endswith(f"/{sample_id(key)}.png")
                    assert row["out_key"].startswith(f"products/{product}/data/")
    for counts in check(str(runs.source), str(runs.target)).values():
        assert counts["differ"] == 0 and counts["photos"] == sum(case.status == "ok" for case in CASES)


def test_the_report_counts_every_photo_without_result_and_lists_some_in_one_line_each(runs):
    (place,) = re.findall(r"^report +(\S+)", runs.first.stdout, re.M)
    report = Path(place).read_text()
    classes, table = report.split("## Photos without result")[1].split("| photo | status")
    assert sum(map(int, re.findall(r"\| (\d+) \|$", classes, re.M))) == sum(case.status != "ok" for case in CASES)
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    without = sorted(text_key(case.name) for case in CASES if case.status != "ok")
    assert [line.split("`")[1] for line in lines] == without[:50]
    assert all(line.count("|") == 5 and line.count("`") == 8 for line in lines)
