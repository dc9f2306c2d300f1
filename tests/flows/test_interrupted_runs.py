"""Runs that are killed, in part or whole, or run out of what they need: they end right, or the next one does."""

import hashlib
import os
import re
import signal
import time
from pathlib import Path

import pytest
from example_photos import many_photos
from processes import session, wait_for
from shard_runs import make_settings, products, read_rows, run_shards

from oodinv.edits import format_edits
from oodinv.ledger import fsck, list_commits, read_commit, run_differences
from oodinv.store import open_store


def command_of(settings, shard_size, workers):
    words = ["augment", "--source", settings.source, "--target", settings.target, "--bundle", settings.bundle]
    words += ["--format", "png", "--shard-size", shard_size, "--workers", workers]
    for product in settings.products:
        words += ["--edit", format_edits(product.edits)]
    return words


def is_clean(settings):
    report = fsck(open_store(settings.target))
    assert report.clean, report.problems
    return report


def test_an_actor_killed_in_the_middle_of_a_shard_costs_nothing_but_time(oodinv, small_photos, tiny_bundle, tmp_path):
    source = many_photos(small_photos, tmp_path / "photos", 12)
    settings = make_settings(source, tmp_path / "out", tiny_bundle, "smile=+1.5")
    (product,) = settings.products
    process = oodinv.start(*command_of(settings, shard_size=12, workers=1))

    def actor_in_the_middle():
        images = list((tmp_path / "out" / "products" / product.name).glob("data/*/*/*/*.png"))
        working = [pid for pid, title in session(process.pid).items() if title.startswith("ray::_Actor.run")]
        return len(images) >= 2 and working

    (actor,) = wait_for(actor_in_the_middle)
    os.kill(actor, signal.SIGKILL)
    assert not list_commits(open_store(settings.target), product.name)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "shard 1-000000 needed 2 attempts, 0 photos quarantined" in output
    for name in (settings.faces.name, product.name):
        assert f"  {name}: 12 photos = 8 ok, 4 skipped, 0 failed, 0 quarantined" in output
    assert is_clean(settings).num_orphans >= 2  # what the dead actor had written
    undisturbed = make_settings(source, tmp_path / "undisturbed", tiny_bundle, "smile=+1.5")
    run_shards(undisturbed)
    assert run_differences(read_rows(settings), read_rows(undisturbed)) == []


def test_a_target_that_fails_stops_the_run_and_the_next_one_goes_on_from_there(
    oodinv, small_photos, tiny_bundle, tmp_path
):
    settings = make_settings(small_photos, tmp_path / "out", tiny_bundle, "smile=+1.5")
    (product,) = settings.products
    in_the_way = tmp_path / "out" / "products" / product.name / "data"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where a folder belongs")
    stopped = oodinv(*command_of(settings, shard_size=4, workers=1))
    assert stopped.returncode == 3, stopped.stderr
    last = stopped.stderr.splitlines()[-1]
    assert re.match(r"oodinv: writing .* failed: Not a directory. A file lies where a folder is needed: move it", last)
    store = open_store(settings.target)
    assert not list_commits(store, settings.faces.name) and not list_commits(store, product.name)
    in_the_way.unlink()
    resumed = oodinv(*command_of(settings, shard_size=4, workers=1))
    assert resumed.returncode == 0, resumed.stderr
    assert f"  {product.name}: 4 photos = 3 ok, 1 skipped, 0 failed, 0 quarantined" in resumed.stdout
    is_clean(settings)


def contents(root: Path, keys):
    return {
        key: ((root / key).stat().st_mtime_ns, hashlib.sha256((root / key).read_bytes()).hexdigest()) for key in keys
    }


def committed(settings):
    """Every commit, and every object that one vouches for."""
    store, keys = open_store(settings.target), set()
    for product in products(settings):
        for found in list_commits(store, product.name):
            keys |= {found.key, *(obj.key for obj in read_commit(store, found).objects)}
    return keys


@pytest.mark.slow  # two whole runs, about half a minute
def test_a_run_killed_as_a_whole_is_finished_by_the_same_command(oodinv, small_photos, tiny_bundle, tmp_path):
    source, target = many_photos(small_photos, tmp_path / "photos", 24), tmp_path / "out"
    settings = make_settings(source, target, tiny_bundle, "smile=+1.5", "age=-1")
    command = command_of(settings, shard_size=4, workers=2)
    process = oodinv.start(*command)
    last = settings.products[-1].name
    wait_for(lambda: len(list((target / "products" / last / "commits").glob("*.json"))) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    wait_for(lambda: not session(process.pid), seconds=60)  # actors have groups of their own and notice
    before = contents(target, committed(settings))
    done = len(list_commits(open_store(settings.target), last))
    assert 3 <= done < 6
    is_clean(settings)

    again = oodinv(*command)
    assert again.returncode == 0, again.stderr
    assert f"{6 - done} shards done, {done} were done before" in again.stdout
    assert contents(target, before) == before
    is_clean(settings)
    undisturbed = make_settings(source, tmp_path / "undisturbed", tiny_bundle, "smile=+1.5", "age=-1")
    run_shards(undisturbed, shard_size=4)
    assert run_differences(read_rows(settings), read_rows(undisturbed)) == []


def test_a_run_that_is_told_to_end_commits_the_shards_under_way_and_begins_no_other(
    oodinv, small_photos, tiny_bundle, tmp_path
):
    source = many_photos(small_photos, tmp_path / "photos", 48)
    settings = make_settings(source, tmp_path / "out", tiny_bundle, "smile=+1.5")
    (product,) = settings.products
    # Of two kinds of actors: one finds faces, the other edits.
    process = oodinv.start(*command_of(settings, shard_size=6, workers=1), "--face-workers", "1")
    faces, commits = (tmp_path / "out" / "products" / name / "commits" for name in (settings.faces.name, product.name))
    wait_for(lambda: len(list(faces.glob("*.json"))) >= 1)
    time.sleep(0.3)  # the next one is under way, and the first is being edited
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    told = re.search(r"told to end: nothing more is begun, (\d) shards under way were finished", output)
    assert told and int(told[1]) >= 1, output
    done = len(list(commits.glob("*.json")))
    assert done < 8
    # Nothing was half done: whatever was written belongs to a commit.
    assert is_clean(settings).num_orphans == 0
    again = oodinv(*command_of(settings, shard_size=6, workers=2))
    assert again.returncode == 0, again.stderr
    assert f"{8 - done} shards done, {done} were done before" in again.stdout
    undisturbed = make_settings(source, tmp_path / "undisturbed", tiny_bundle, "smile=+1.5")
    run_shards(undisturbed, shard_size=6)
    assert run_differences(read_rows(settings), read_rows(undisturbed)) == []
