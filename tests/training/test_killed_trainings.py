"""`kill -9` in the middle of a training: the steps after it are those of an undisturbed run, bit for bit."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from killed_trainings import KILLED_AFTER, KINDS, SAVE_EVERY, STEPS


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """The folder of a kind's trainings."""
    folder, root = tmp_path_factory.mktemp("trainings"), Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), str(root / "tests" / "support")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}

    @cache
    def trained(kind):
        subprocess.run([sys.executable, "-m", "killed_trainings", str(folder), kind], env=environment, check=True)
        return folder / kind

    return trained


def lines(folder):
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "steps_per_s")} for line in found]


@pytest.mark.parametrize("kind", ["encoder", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_a_killed_training_goes_on_as_if_nothing_had_been(trainings, kind):
    undisturbed, killed = trainings(kind) / "undisturbed", trainings(kind) / "killed"
    saved = int((killed / "saved").read_text())
    assert saved == SAVE_EVERY < KILLED_AFTER and saved + 20 == STEPS
    assert len(lines(killed)) == STEPS
    assert lines(killed)[saved : saved + 20] == lines(undisturbed)[saved : saved + 20]
    assert lines(killed) == lines(undisturbed)
    ours, theirs = (torch.load(folder / "weights.pt", weights_only=True) for folder in (killed, undisturbed))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs) and ours.keys() == theirs.keys()


def test_the_latent_discriminator_and_every_term_of_the_encoder_were_part_of_it(trainings):
    found = lines(trainings("encoder") / "killed")
    assert {"square", "structure", "deltas", "distance", "adversarial", "critic"} <= found[0].keys()
    assert [("critic_r1" in line) for line in found[:6]] == [True, False, False] * 2
    # One style for all layers at first.
    assert all(line["deltas"] == pytest.approx(0, abs=1e-4) for line in found[:4]) and found[-1]["deltas"] > 0.01
