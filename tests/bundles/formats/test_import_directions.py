"""Directions that are imported with a generator get its units."""

import pytest
import torch
from published_forward import rosinality_w


@pytest.fixture
def direction(tmp_path):
    def apply(tensor, name="direction.pt"):
        torch.save(tensor, tmp_path / name)
        return tmp_path / name

    return apply


@pytest.fixture(scope="module")
def w(generator_tensors):
    return rosinality_w(generator_tensors, torch.randn(4096, 20, generator=torch.Generator().manual_seed(1)))


def test_strength_one_is_a_deviation_of_the_generators_latents(imports, run, save, checkpoint, direction, w):
    d = torch.randn(1, 24, generator=torch.Generator().manual_seed(2))
    loaded = imports(save(checkpoint), "--direction", f"smile={direction(d)}#layers=2:6,safe=-2:2")
    along = d[0] / d.norm()
    expected = along * (w @ along).std()
    torch.testing.assert_close(loaded.directions["smile"], expected, atol=1e-4, rtol=1e-3)
    edit = loaded.bundle.spec.edits["smile"]
    assert (edit.space, edit.layers, edit.safe_range) == ("w", (2, 6), (-2, 2))
    assert "edit smile: 1 = one standard deviation of the generator's own latents" in imports.said
    assert "smile: 1 = one standard deviation" in run("show", imports.out).output


def test_a_direction_per_row_and_a_channel_of_stylespace_are_stored(imports, save, checkpoint, direction):
    rows = torch.randn(8, 24, generator=torch.Generator().manual_seed(3))
    loaded = imports(save(checkpoint), "--direction", f"pose={direction(rows)}", "--direction", "blink=channel:3_5")
    assert loaded.directions["pose"].shape == (8, 24)
    assert loaded.bundle.spec.edits["pose"].space == "w_plus"
    assert loaded.bundle.spec.edits["blink"].space == "style"
    assert loaded.directions["blink"].count_nonzero() == 1


def test_without_mapping_layers_directions_keep_their_length(imports, save, checkpoint, direction):
    state = {k: v for k, v in checkpoint["state_dict"].items() if not k.startswith("decoder.style.")}
    d = torch.randn(24, generator=torch.Generator().manual_seed(2))
    loaded = imports(save(checkpoint | {"state_dict": state}), "--direction", f"age={direction(d)}")
    assert torch.equal(loaded.directions["age"], d)
    assert "not calibrated" in loaded.bundle.spec.edits["age"].unit


@pytest.mark.parametrize(
    ("name", "shape", "text"),
    [
        ("smile", (1, 512), r"direction\.pt must have shape \(24,\).* got \(1, 512\)"),
        ("Smile", (24,), "an edit's name is lower-case letters"),
        ("smile", (18, 24), "it is for a generator of 18 layers"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(refuses, save, checkpoint, direction, name, shape, text):
    refuses(save(checkpoint), "--direction", f"{name}={direction(torch.ones(shape))}", text=text)
