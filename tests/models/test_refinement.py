import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.models.refinement import RADIUS_SHARE, SMOOTHNESS, refine_mask


def two_colours(size: int, edge: int) -> torch.Tensor:
    """Skin to the left of an edge, a blue thing to the right."""
    crop = torch.tensor([0.6, 0.2, 0.0]).view(1, 3, 1, 1).expand(1, 3, size, size).clone()
    crop[..., edge:] = torch.tensor([-0.5, -0.2, 0.6]).view(3, 1, 1)
    return crop


def by_windows(mask: torch.Tensor, crop: torch.Tensor, radius: int) -> torch.Tensor:
    """The definition: a ridge regression in each window, then the mean line of all windows that hold a pixel."""
    size = mask.shape[-1]
    mask, crop = mask[0, 0].double(), crop[0].double()
    lines, count = torch.zeros(4, size, size).double(), torch.zeros(size, size).double()
    for y in range(size):
        for x in range(size):
            window = (..., slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
            colours, values = crop[window].flatten(1), mask[window].flatten()
            away = colours - colours.mean(dim=1, keepdim=True)
            inside = away @ away.T / len(values) + SMOOTHNESS * torch.eye(3).double()
            slope = torch.linalg.solve(inside, away @ (values - values.mean()) / len(values))
            level = values.mean() - slope @ colours.mean(dim=1)
            lines[window] += torch.cat([slope, level[None]])[:, None, None]
            count[window] += 1
    lines = lines / count
    return ((lines[:3] * crop).sum(dim=0) + lines[3]).clamp(0, 1)


def test_it_is_the_guided_filter_of_its_definition():
    torch.manual_seed(0)
    mask, crop = torch.rand(2, 1, 32, 32), 2 * torch.rand(2, 3, 32, 32) - 1
    crop[:, :, 10:20, 5:25] = 0.4  # plain, where the equations have one solution thanks to the smoothness only
    found = refine_mask(mask, crop)
    for number in range(2):
        expected = by_windows(mask[number : number + 1], crop[number : number + 1], int(32 * RADIUS_SHARE))
        torch.testing.assert_close(found[number, 0].double(), expected, atol=2e-4, rtol=0)


def test_a_border_moves_onto_the_edge_that_is_seen():
    """The mask ends in a ramp of eleven pixels, the thing at one."""
    size, edge = 64, 33
    ramp = ((torch.arange(size) - 27) / 11).clamp(0, 1).expand(1, 1, size, size)
    steps = refine_mask(ramp, two_colours(size, edge))[0, 0, 32].diff()
    assert steps.argmax().item() == edge - 1 and steps.max() > 0.4
    assert steps.max() > 10 * steps.sort().values[-2]


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2**31), st.sampled_from([4, 16, 40]))
def test_a_constant_mask_stays_and_all_masks_stay_in_range(value, seed, size):
    rng = torch.Generator().manual_seed(seed)
    crop = 2 * torch.rand(1, 3, size, size, generator=rng) - 1
    constant = torch.full((1, 1, size, size), value)
    torch.testing.assert_close(refine_mask(constant, crop), constant, atol=1e-4, rtol=0)
    found = refine_mask((torch.rand(1, 1, size, size, generator=rng) > 0.5).float(), crop)
    assert 0 <= found.min() and found.max() <= 1


def test_tiny_masks_stay_as_they_are():
    mask = torch.rand(1, 1, 15, 15)
    assert torch.equal(refine_mask(mask, torch.rand(1, 3, 15, 15)), mask)


def test_a_large_picture_keeps_edges_that_its_small_one_has_not():
    """The line is found at 256 pixels and drawn with all 768: an edge between two of the small pixels stays sharp."""
    size, edge = 768, 385
    ramp = ((torch.arange(size) - 320) / 130).clamp(0, 1).expand(1, 1, size, size)
    found = refine_mask(ramp, two_colours(size, edge))[0, 0, 100]
    assert found.diff().argmax().item() == edge - 1
    assert found[edge] - found[edge - 1] > 0.3 and found.diff()[: edge - 2].max() < 0.05


def test_the_gradient_comes_through():
    mask = torch.rand(1, 1, 16, 16, requires_grad=True)
    refine_mask(mask * 0.5 + 0.25, torch.rand(1, 3, 16, 16)).square().sum().backward()
    assert mask.grad is not None and torch.isfinite(mask.grad).all() and (mask.grad != 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_loses_only_the_digits_of_its_input(dtype):
    torch.manual_seed(0)
    mask, crop = torch.rand(1, 1, 32, 32).to(dtype), (2 * torch.rand(1, 3, 32, 32) - 1).to(dtype)
    found = refine_mask(mask, crop)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, refine_mask(mask.float(), crop.float()))
