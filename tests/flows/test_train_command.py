"""`oodinv train` as its users run it, with what they see of it in the UI."""

import json
import signal
import time

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

SETTINGS = [
    "network.resolution=16", "network.channel_base=128", "network.channel_max=8", "network.style_dim=8",
    "network.z_dim=6", "training.batch=4", "training.phases=[{resolution: 16, images: 400, adversarial: 1.0}]",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def arguments(photos, out, *more):
    changed = [part for setting in SETTINGS for part in ("--set", setting)]
    often = ("--save-every", 10, "--log-every", 5, "--grid-every", 20)
    return ("train", "generator", "--data", photos, "--out", out, "--device", "cpu", *often, *changed, *more)


def test_a_training_is_stopped_continued_refused_and_shown(oodinv, orchestrator, photos, tmp_path):
    out = tmp_path / "out"
    process = oodinv.start(*arguments(photos, out))
    log, end = out / "log.jsonl", time.monotonic() + 120
    while not (log.exists() and log.read_bytes().count(b"\n") > 3):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "asked to stop after" in said and "the same command goes on from there" in said

    ended = oodinv(*arguments(photos, out))
    assert ended.returncode == 0, ended.stderr
    assert f"{out}: 100 of 100 steps" in ended.stdout
    assert json.loads((out / "generator.json").read_text())["config"]["resolution"] == 16
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == list(range(5, 101, 5))

    refused = oodinv(*arguments(photos, out, "--set", "training.seed=8"))
    assert refused.returncode == 2
    assert "was trained with another configuration (training: expected" in refused.stderr
    assert "Traceback" not in refused.stderr

    (run,) = [r for r in orchestrator.flow_runs() if str(out) in r["name"] and r["state_type"] == "COMPLETED"]
    artifacts = orchestrator.artifacts(run["id"])
    assert artifacts.keys() == {"oodinv-training-progress", "oodinv-training-samples"}
    assert [artifact["data"] for artifact in artifacts["oodinv-training-progress"]] == [100.0]
    (samples,) = [artifact["data"] for artifact in artifacts["oodinv-training-samples"]]
    assert samples.startswith("After 100 steps.") and "](data:image/jpeg;base64," in samples
