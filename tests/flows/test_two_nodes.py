"""Actors on the nodes of a cluster that runs already; the rows are those of a run on one machine."""

import os
import re
import secrets
import subprocess

import pytest
from example_photos import many_photos
from ray_nodes import ray_nodes
from shard_runs import make_settings

from oodinv.ledger import load_inventory, run_differences
from oodinv.ledger.snapshot import read_snapshot
from oodinv.store import open_store

EDIT = "smile=+1.5"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with ray_nodes(tmp_path_factory.mktemp("ray")) as nodes:
        yield nodes


def command(oodinv, photos, tiny_bundle, target):
    return oodinv.command(
        "augment", "--source", photos, "--target", target, "--bundle", tiny_bundle, "--edit", EDIT,
        "--format", "png", "--shard-size", 1,
    )  # fmt: skip


@pytest.mark.slow
def test_both_nodes_work_and_the_rows_are_those_of_one(cluster, oodinv, small_photos, tiny_bundle, tmp_path):
    access = cluster.environment
    photos = many_photos(small_photos, tmp_path / "photos", 24)
    environment = oodinv.environment

    def run(target, more):
        result = subprocess.run(
            command(oodinv, photos, tiny_bundle, target),
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert result.returncode == 0, result.stderr
        (place,) = re.findall(r"^report +(\S+)", result.stdout, re.M)
        return open(place).read()

    report = run(tmp_path / "two", access | {"RAY_ADDRESS": cluster.address})
    assert "2 actors on 2 nodes" in report
    assert access["RAY_AUTH_TOKEN"] not in report
    assert "on 1 nodes" in run(tmp_path / "one", {})
    settings = make_settings(photos, tmp_path / "two", tiny_bundle, EDIT)
    names = [settings.faces.name, settings.products[0].name]
    two, one = (read_snapshot(open_store(str(tmp_path / name)), products=names) for name in ("two", "one"))
    assert load_inventory(open_store(str(tmp_path / "two"))).num_samples == 24
    assert one.num_rows and run_differences(one, two) == []


@pytest.mark.slow  # Ray tries for half a minute
def test_a_wrong_token_is_refused_with_what_to_check(cluster, oodinv, small_photos, tiny_bundle, tmp_path):
    access = cluster.environment
    wrong = access | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_ADDRESS": cluster.address}
    result = subprocess.run(
        command(oodinv, small_photos, tiny_bundle, tmp_path / "out"),
        env=oodinv.environment | wrong,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 3, result.stdout
    assert "could not join the Ray cluster" in result.stderr and "RAY_AUTH_MODE and the token" in result.stderr
    assert not any(value in result.stderr for value in (access["RAY_AUTH_TOKEN"], wrong["RAY_AUTH_TOKEN"]))
    assert os.path.isdir(tmp_path / "out" / "inventory")  # planned; the next run goes on
