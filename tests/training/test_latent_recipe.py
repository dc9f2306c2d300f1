"""Progressive deltas, latent discriminator and pool of the encoder's recipe."""

import pytest
import torch

from oodinv.training.averaging import average_into
from oodinv.training.deltas import active_layers, delta_norms, hold_back
from oodinv.training.latent_critic import CodePool, LatentDiscriminator, latent_r1


def test_layers_join_one_after_the_other():
    joined = [active_layers(n, 6, begin=100, every=50) for n in (0, 99, 100, 149, 150, 200, 250, 300, 10_000)]
    assert joined == [1, 1, 2, 2, 3, 4, 5, 6, 6]


def test_without_a_pace_all_join_at_once():
    assert [active_layers(n, 6, begin=100, every=0) for n in (0, 99, 100)] == [1, 1, 6]
    assert active_layers(0, 6, begin=0, every=0) == 6


def test_layers_that_are_held_back_have_the_first_ones_style():
    delta_w = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    held = hold_back(delta_w, 2)
    assert torch.equal(held[:, :2], delta_w[:, :2])
    assert torch.equal(held[:, 2:], delta_w[:, :1].expand(-1, 3, -1))
    held.sum().backward()
    assert (delta_w.grad[:, 2:] == 0).all() and (delta_w.grad[:, 0] == 4).all()


def test_delta_norms_are_distances_from_the_first_layer():
    delta_w = torch.zeros(2, 4, 2)
    delta_w[0, 1], delta_w[1, 3] = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0])
    assert delta_norms(delta_w).item() == pytest.approx(6 / 2, abs=1e-3)
    same = torch.ones(2, 4, 2, requires_grad=True)
    delta_norms(same).backward()
    assert torch.isfinite(same.grad).all()


def test_the_pool_fills_up_first_and_then_gives_old_codes_for_new_ones():
    pool, rng = CodePool(4, 1), torch.Generator().manual_seed(0)
    first = torch.arange(4.0)[:, None]
    assert torch.equal(pool.exchange(first, rng), first)
    given = torch.cat([pool.exchange(torch.full((4, 1), 10.0 + step), rng) for step in range(50)])
    old = sum(value < 10 for value in given[:, 0].tolist())
    assert 0 < old <= 4 and len(pool.codes) == 4 and pool.codes.min() >= 10
    exchanged = sum(a != 10 + step for step in range(50) for a in given[4 * step : 4 * step + 4, 0].tolist())
    assert 60 < exchanged < 140  # a coin each


def test_an_average_of_all_tensors_at_once_is_that_of_each():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)) for _ in range(2))
    expected = [
        a.detach().clone().lerp_(b.detach(), 0.3) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    ]
    average_into(ours.requires_grad_(False), theirs, 0.7)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), expected, strict=True))


def test_nothing_of_the_batch_is_lost_or_invented():
    pool, rng = CodePool(3, 2), torch.Generator().manual_seed(1)
    seen = {(float(step), 0.0) for step in range(20)}
    for step in range(20):
        out = pool.exchange(torch.tensor([[float(step), 0.0]], requires_grad=True), rng)
        assert not out.requires_grad and tuple(out[0].tolist()) in seen


def test_latent_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    weights = torch.tensor([1.0, -2.0, 3.0])
    w = torch.rand(5, 3, requires_grad=True)
    assert latent_r1(w, w @ weights).item() == pytest.approx(14)


def test_the_latent_discriminator_tells_two_clouds_of_styles_apart():
    torch.manual_seed(0)
    critic = LatentDiscriminator(6)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    rng = torch.Generator().manual_seed(2)
    for _ in range(20):
        real, fake = torch.randn(32, 6, generator=rng) + 1, torch.randn(32, 6, generator=rng) - 1
        loss = (critic(fake) - critic(real)).sigmoid().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (critic(real) > critic(fake)).float().mean() > 0.9
