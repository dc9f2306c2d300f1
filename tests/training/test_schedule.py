"""The released schedule and mask terms, in a training."""

import pytest
import torch
from tiny_bundle import tiny_model

from oodinv.models.decomposition import Decomposition
from oodinv.training.decomposition import DecompositionTraining, train_decomposition


def one_step(pack, folder, **options):
    """The model after one step, its gradients still there, and the weights that the step began with."""
    model = tiny_model().requires_grad_(True)
    config = model.decomposition.config
    train_decomposition(
        pack, model, config, DecompositionTraining(images=4, batch=4, ema_images=4.0, **options), folder
    )
    torch.manual_seed(0)
    return model, Decomposition(config).state_dict()


def changes(model, before):
    """By level, the largest change of a weight."""
    moved = {
        name: (tensor - before[name]).abs().max().item() for name, tensor in model.decomposition.state_dict().items()
    }
    return {level: max(v for name, v in moved.items() if name.startswith(f"levels.{level}.")) for level in (8, 16)}


def parts_with_gradient(model):
    return {".".join(name.split(".")[:3]) for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_at_first_the_coarsest_level_alone_learns_at_the_released_rate(pack, tmp_path):
    model, before = one_step(pack, tmp_path, schedule="released")
    assert parts_with_gradient(model) == {"decomposition.levels.8"}
    moved = changes(model, before)
    assert moved[16] == 0
    assert moved[8] == pytest.approx(2e-5, rel=0.01)  # Adam's first step is the rate


def test_otherwise_every_level_learns_from_the_start_and_nothing_else(pack, tmp_path):
    model, before = one_step(pack, tmp_path)
    assert parts_with_gradient(model) == {"decomposition.levels.8", "decomposition.levels.16"}
    assert all(moved == pytest.approx(1e-3, rel=0.01) for moved in changes(model, before).values())


def test_levels_are_charged_when_they_have_limits(pack, tmp_path):
    runs = {"free": None, "charged": {8: 0.0, 16: 0.0}}
    logits = []
    for name, limits in runs.items():
        model, _ = one_step(pack, tmp_path / name, level_area_limits=limits, regularisation=50.0, area_limit=1.0)
        logits.append(model.decomposition.level(8).head.body[-1].bias[2].item())
    assert logits[1] < 0 < logits[0]
    with pytest.raises(ValueError, match=r"expected one for \[16\], got \{8: 0\.3\}"):
        one_step(pack, tmp_path / "refused", level_area_limits={8: 0.3})
