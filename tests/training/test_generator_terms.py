import pytest
import torch

from oodinv.training.averaging import average_into, ema_decay
from oodinv.training.losses import r1_penalty
from oodinv.training.optimising import half_precision, lazy_adam, set_adam
from oodinv.training.path_length import path_lengths, path_penalty
from oodinv.training.phases import Phase, position, total_steps


def test_r1_of_a_linear_score_is_the_squared_norm_of_its_weight():
    weight = torch.randn(3, 4, 4)
    image = torch.randn(5, 3, 4, 4, requires_grad=True)
    assert r1_penalty(image, (image * weight).sum(dim=(1, 2, 3))).item() == pytest.approx(weight.square().sum().item())


def test_path_lengths_of_a_linear_generator_are_those_of_its_transpose():
    torch.manual_seed(0)
    jacobian = torch.randn(3 * 4 * 4, 5 * 7)
    w_plus = torch.randn(2, 5, 7, requires_grad=True)
    image = (w_plus.flatten(1) @ jacobian.T).view(2, 3, 4, 4)
    noise = torch.randn(2, 3, 4, 4)
    found = path_lengths(image, w_plus, noise)
    steps = (noise.flatten(1) / 4 @ jacobian).view(2, 5, 7)
    torch.testing.assert_close(found, steps.square().sum(dim=2).mean(dim=1).sqrt())


def test_a_generator_of_equal_lengths_has_no_path_penalty_and_others_learn_from_theirs():
    assert path_penalty(torch.full((4,), 1.5), 1.5).item() == 0
    scale = torch.tensor(3.0, requires_grad=True)
    w_plus = torch.randn(2, 1, 48, requires_grad=True)
    lengths = path_lengths((scale * w_plus).view(2, 3, 4, 4), w_plus, torch.ones(2, 3, 4, 4))
    path_penalty(lengths, 1.0).backward()
    assert scale.grad > 0  # paths longer than the mean: shorten them


def test_after_a_half_life_of_images_half_of_what_was_is_left():
    source, target = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(source.weight)
    torch.nn.init.ones_(target.weight)
    for _ in range(20):
        average_into(target, source, ema_decay(batch=5, half_life=100.0, seen=10**6, ramp=0.1))
    assert target.weight.item() == pytest.approx(0.5)


def test_the_half_life_ramps_up_with_the_images_seen():
    def half_life(seen):
        return 10 / -torch.tensor(ema_decay(batch=10, half_life=1000.0, seen=seen, ramp=0.1)).log2().item()

    assert [half_life(seen) for seen in (100, 1000, 10_000, 10**6)] == pytest.approx([10, 100, 1000, 1000], rel=1e-3)


def test_lazy_steps_are_smaller_by_their_share():
    adam = lazy_adam([torch.nn.Parameter(torch.zeros(1))])
    set_adam(adam, rate=0.01, momentum=0.9, lazy_every=None)
    assert adam.param_groups[0]["lr"] == 0.01 and adam.param_groups[0]["betas"] == (0.9, 0.99)
    set_adam(adam, rate=0.01, momentum=0.0, lazy_every=4)
    assert adam.param_groups[0]["lr"] == pytest.approx(0.008)
    assert adam.param_groups[0]["betas"] == (0.0, pytest.approx(0.99**0.8))


@pytest.mark.parametrize(("multiplies", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_a_processor_computes_in_half_precision_where_that_is_fast(monkeypatch, multiplies, dtype):
    monkeypatch.setattr("oodinv.training.optimising.multiplies_bfloat16", lambda: multiplies)
    with half_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_steps_find_their_phase_and_rates_fall_linearly():
    phases = (
        Phase(resolution=8, images=10, rate=1.0, final_rate=0.5),
        Phase(resolution=16, images=9, rate=2.0),
    )
    assert total_steps(phases, 4) == 4
    found = [position(phases, 4, step) for step in range(4)]
    assert [(at.index, at.step, at.rate) for at in found] == [(0, 0, 1.0), (0, 1, 0.75), (1, 0, 2.0), (1, 1, 2.0)]
    assert [at.images_before for at in found] == [0, 4, 8, 12]
    with pytest.raises(IndexError, match="step 4 is beyond the last phase"):
        position(phases, 4, 4)
