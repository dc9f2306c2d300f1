import re

import pytest
import torch
from click.testing import CliRunner
from published import fill, pyramid_shapes, rosinality_shapes, under

from flows.cli import main
from oodinv.bundles.bundle import load_bundle


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(main, ["bundle", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def imports(run, tmp_path):
    """Import and load the bundle; what the command said is in `imports.said`."""
    number = iter(range(100))

    def apply(*words, setting="improved"):
        out = tmp_path / f"bundle-{next(number)}"
        result = run("import", *words, "--setting", setting, "--out", out)
        assert result.exit_code == 0, result.output
        apply.said, apply.out = result.output, out
        return load_bundle(str(out))

    return apply


@pytest.fixture
def refuses(run, tmp_path):
    """Import, which must be the user's mistake, say so in one line, and leave nothing behind."""

    def apply(*words, text, setting="improved"):
        out = tmp_path / "refused" / "bundle"
        out.parent.mkdir(exist_ok=True)
        result = run("import", *words, "--setting", setting, "--out", out)
        assert result.exit_code == 2, result.output
        assert re.search(text, result.stderr), result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert list(out.parent.iterdir()) == []

    return apply


@pytest.fixture(scope="session")
def generator_tensors():
    """A tiny generator under rosinality's names."""
    return fill(rosinality_shapes(), seed=1)


@pytest.fixture(scope="session")
def encoder_tensors():
    """A tiny e4e encoder under its published names, without prefix."""
    return fill(pyramid_shapes(), seed=2)


@pytest.fixture(scope="session")
def average():
    return torch.randn(24, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def checkpoint(generator_tensors, encoder_tensors, average):
    """What an e4e checkpoint holds; to be changed by a test."""
    return {
        "state_dict": under("encoder.", encoder_tensors) | under("decoder.", generator_tensors),
        "latent_avg": average.repeat(8, 1),
        "opts": {"encoder_type": "Encoder4Editing", "stylegan_size": 32, "start_from_latent_avg": True},
    }


@pytest.fixture
def save(tmp_path):
    """Save a content under a name that says nothing; the path."""
    number = iter(range(100))

    def apply(content, name=None):
        path = tmp_path / (name or f"file-{next(number)}.pt")
        torch.save(content, path)
        return path

    return apply


@pytest.fixture
def encoder_file(save, checkpoint):
    """An e4e checkpoint without its generator."""
    content = dict(checkpoint)
    content["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k.startswith("encoder.")}
    return save(content)
