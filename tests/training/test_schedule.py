"""The released schedule and mask terms, in a training."""

import pytest
from tiny_bundle import tiny_model

from oodinv.training.decomposition import DecompositionTrainer, DecompositionTraining


def one_step(pack, **options):
    """A trainer after one step, its gradients still there, and the weights that the step began with."""
    model = tiny_model().requires_grad_(True)
    training = DecompositionTraining(images=4, batch=4, ema_images=4.0, **options)
    trainer = DecompositionTrainer(pack, model, model.decomposition.config, training)
    before = {name: tensor.clone() for name, tensor in trainer.decomposition.state_dict().items()}
    trainer.step(0)
    return trainer, before


def changes(trainer, before):
    """By level, the largest change of a weight."""
    moved = {
        name: (tensor - before[name]).abs().max().item() for name, tensor in trainer.decomposition.state_dict().items()
    }
    return {level: max(v for name, v in moved.items() if name.startswith(f"levels.{level}.")) for level in (8, 16)}


def parts_with_gradient(trainer):
    networks = {"decomposition": trainer.decomposition, "encoder": trainer.model.encoder}
    networks["generator"] = trainer.model.generator
    return {
        ".".join([part, *name.split(".")[:2]])
        for part, network in networks.items()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def test_at_first_the_coarsest_level_alone_learns_at_the_released_rate(pack):
    trainer, before = one_step(pack, schedule="released")
    assert parts_with_gradient(trainer) == {"decomposition.levels.8"}
    moved = changes(trainer, before)
    assert moved[16] == 0
    assert moved[8] == pytest.approx(2e-5, rel=0.01)  # Adam's first step is the rate


def test_otherwise_every_level_learns_from_the_start_and_nothing_else(pack):
    trainer, before = one_step(pack)
    assert parts_with_gradient(trainer) == {"decomposition.levels.8", "decomposition.levels.16"}
    assert all(moved == pytest.approx(1e-3, rel=0.01) for moved in changes(trainer, before).values())


def test_levels_are_charged_when_they_have_limits(pack):
    logits = []
    for limits in (None, {8: 0.0, 16: 0.0}):
        trainer, _ = one_step(pack, level_area_limits=limits, regularisation=50.0, area_limit=1.0)
        logits.append(trainer.decomposition.level(8).head.body[-1].bias[2].item())
    assert logits[1] < 0 < logits[0]
    with pytest.raises(ValueError, match=r"expected one for \[16\], got \{8: 0\.3\}"):
        one_step(pack, level_area_limits={8: 0.3})
