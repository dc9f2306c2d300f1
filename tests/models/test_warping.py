import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from oodinv.models.warping import warp


def test_zero_flow_is_the_identity():
    torch.manual_seed(0)
    feature_map = torch.rand(2, 3, 8, 6)
    torch.testing.assert_close(warp(feature_map, torch.zeros(2, 2, 8, 6)), feature_map)


def test_a_flow_of_one_pixel_in_x_moves_the_image_one_pixel_left():
    ramp = torch.arange(8.0).expand(1, 1, 4, 8).contiguous()
    flow = torch.zeros(1, 2, 4, 8)
    flow[:, 0] = 2 / (8 - 1)  # one pixel, corner-aligned
    torch.testing.assert_close(warp(ramp, flow)[..., :-1], ramp[..., 1:])


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_constant_stays_constant_up_to_the_border(dx, dy):
    flow = torch.tensor([dx, dy]).view(1, 2, 1, 1).expand(1, 2, 7, 9)
    torch.testing.assert_close(warp(torch.full((1, 1, 7, 9), 0.3), flow), torch.full((1, 1, 7, 9), 0.3))


def test_the_released_mismatch_is_reproduced_on_demand():
    # Values measured on the released implementation: a ramp 0 … 31 under a zero flow.
    ramp = torch.arange(32.0).expand(1, 1, 32, 32).contiguous()
    row = warp(ramp, torch.zeros(1, 2, 32, 32), align_corners=False, padding="zeros")[0, 0, 16]
    assert row[1].item() == pytest.approx(0.53226, abs=1e-4)
    assert row[2].item() == pytest.approx(1.56452, abs=1e-4)
    assert row[-1].item() == pytest.approx(15.5, abs=1e-3)
    ones = warp(torch.ones(1, 1, 32, 32), torch.zeros(1, 2, 32, 32), align_corners=False, padding="zeros")
    assert ones[0, 0, 0, 0].item() == pytest.approx(0.25, abs=1e-4)
    assert ones[0, 0, 16, 0].item() == pytest.approx(0.5, abs=1e-4)


def test_a_flow_of_another_size_is_refused():
    with pytest.raises(TypeCheckError):
        warp(torch.rand(2, 3, 8, 6), torch.zeros(2, 2, 8, 7))
