"""A machine that is taken back costs its jobs nothing but time, and nobody is blamed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from ray_nodes import ray_nodes

from oodinv.cluster.session import ADDRESS


def test_a_job_whose_machine_is_gone_is_done_elsewhere_and_the_attempt_does_not_count(tmp_path):
    words, root = tmp_path / "words", Path(__file__).parents[2]
    words.mkdir()
    with ray_nodes(tmp_path, nodes=2, cpus=2) as nodes:
        paths = os.pathsep.join([str(root), str(root / "tests" / "support")])
        environment = os.environ | nodes.environment | {ADDRESS: nodes.address, "PYTHONPATH": paths}
        run = subprocess.Popen(
            [sys.executable, "-m", "waiting_jobs", str(words), "2"], env=environment, stdout=subprocess.PIPE
        )
        at_work(run, words, 2)  # each on a node of its own
        assert len({path.name.partition("@")[2] for path in words.iterdir()}) == 2
        nodes.kill(1)
        at_work(run, words, 3)  # one of them again, elsewhere
        (words / "go").touch()
        told = json.loads(run.communicate(timeout=180)[0].splitlines()[-1])
    # With one attempt each, a counted one would have given the job up; with care it would be slow for nothing.
    assert told == {"done": {"s0": [False, 1, None], "s1": [False, 1, None]}, "replaced": 1}


def at_work(run, words, count):
    """Wait until so many jobs were begun."""
    end = time.monotonic() + 120
    while len(list(words.iterdir())) < count:
        assert run.poll() is None and time.monotonic() < end
        time.sleep(0.05)
