"""`oodinv evaluate`: what it refuses before anything starts, and a run with its artifact."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from flows.cli import main


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three photos of 64 pixels, as a folder of CelebA-HQ is."""
    folder = tmp_path_factory.mktemp("photos") / "test"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 256, (8, 8, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--bundle", "nonesuch"], "no bundle 'nonesuch'"),
        (["--dataset", "{tmp}/nowhere"], "is not a folder"),
        (["--lpips", "{tmp}/nowhere.safetensors"], "--lpips: there is no file"),
        (["--strength", "0"], "strengths must differ from 0"),
        (["--device", "tpu"], "--device: String should match pattern"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(words, text, photos, tiny_bundle, tmp_path):
    given = ["--bundle", str(tiny_bundle), "--dataset", str(photos)] + [w.format(tmp=tmp_path) for w in words]
    done = CliRunner().invoke(main, ["evaluate", "--out", str(tmp_path / "out"), *given])
    assert done.exit_code == 2 and text in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_photos_is_evaluated_and_shown(orchestrator, photos, tiny_bundle, tmp_path):
    with orchestrator.in_this_process():
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

        words = ["--bundle", str(tiny_bundle), "--dataset", str(photos), "--generator-count", "2", "--sheets"]
        done = CliRunner().invoke(main, ["evaluate", "--out", str(tmp_path / "out"), *words])
        assert done.exit_code == 0, done.output
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["oodinv-evaluation"]))
        with get_client(sync_client=True) as client:
            (artifact,) = client.read_artifacts(artifact_filter=wanted)
    assert "## Reconstruction: test" in done.stdout and "test has no true masks" in done.stdout
    assert artifact.data.startswith("# Evaluation") and "(plots/" not in artifact.data
    assert "data:image/png;base64," in artifact.data and "data:image/jpeg;base64," in artifact.data
    names = {path.relative_to(tmp_path / "out").parts[0] for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"table.parquet", "table.md", "plots", "samples", "sheets"}
