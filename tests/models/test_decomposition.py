import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.models.decomposition import Choices, Decomposition, DecompositionConfig, blend, blur, compose_masks, gate


def _mask(value, size=8):
    return torch.full((1, 1, size, size), value)


@pytest.mark.parametrize(
    ("coarse", "fine", "expected"),
    [(0.0, 0.7, 0.0), (1.0, 0.3, 0.3), (0.5, 0.0, 0.25), (0.5, 1.0, 0.75), (0.2, 1.0, 0.36), (0.8, 0.2, 0.32)],
)
def test_the_gate_has_the_published_values(coarse, fine, expected):
    assert gate(torch.tensor(coarse), torch.tensor(fine)).item() == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_gate_stays_in_range_and_keeps_equal_masks(x, y):
    a, b = torch.tensor(x), torch.tensor(y)
    assert 0 <= gate(a, b).item() <= 1
    assert gate(a, a).item() == pytest.approx(x, abs=1e-6)


def test_masks_are_gated_coarse_to_fine():
    nothing, everything = _mask(0.0, 4), _mask(1.0, 8)
    assert compose_masks([nothing, everything], 16).max() == 0
    assert compose_masks([_mask(1.0, 4), _mask(0.25, 8)], 16).unique().tolist() == [0.25]


def test_blending_keeps_the_crop_where_the_mask_is_one():
    torch.manual_seed(0)
    crop, generated = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    assert torch.equal(blend(crop, generated, torch.ones(2, 1, 8, 8)), crop)
    assert torch.equal(blend(crop, generated, torch.zeros(2, 1, 8, 8)), generated)


def test_the_centred_blur_keeps_constants_and_does_not_shift():
    torch.testing.assert_close(blur(torch.ones(1, 3, 6, 6), "centred"), torch.ones(1, 3, 6, 6))
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[0, 0, 4, 4] = 1
    out = blur(impulse, "centred")
    assert torch.equal(out, out.flip(2)) and torch.equal(out, out.flip(3))


def test_the_shifted_blur_darkens_the_border_as_released():
    out = blur(torch.ones(1, 1, 32, 32), "shifted")[0, 0]
    assert out[16, [0, 1, 2, -2, -1]].tolist() == pytest.approx([0.5, 0.875, 1, 1, 0.875])
    assert out[0, 0].item() == pytest.approx(0.25)
    assert out[-1, -1].item() == pytest.approx(0.765625)


def _config(**changes):
    fields = {"levels": (8, 16), "generator_channels": (12, 8), "encoder_channels": (6, 4), "width": 8}
    return DecompositionConfig(**(fields | changes))


def _align(net, resolution, generated, encoded, *, evidence=None, coarser=None):
    level = net.level(resolution)
    return level(generated, level.guide(encoded, evidence), coarser)


@pytest.mark.parametrize("displacement", [0.01, 0.08])
def test_flows_stay_below_the_largest_displacement(displacement):
    torch.manual_seed(0)
    net = Decomposition(_config(max_displacement=displacement, choices=Choices(see_error=False)))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    result = _align(net, 8, torch.randn(2, 12, 8, 8), torch.randn(2, 6, 8, 8))
    assert result.flow.abs().max() <= displacement
    assert result.mask.min() >= 0 and result.mask.max() <= 1


def test_a_fresh_aligner_hardly_moves_anything():
    torch.manual_seed(0)
    net = Decomposition(_config())
    result = _align(net, 8, torch.randn(2, 12, 8, 8), torch.randn(2, 6, 8, 8), evidence=torch.rand(2, 6, 8, 8))
    assert result.flow.abs().max() < 0.01


def test_a_region_ruled_in_domain_by_the_coarser_level_stays_in_domain():
    torch.manual_seed(0)
    net = Decomposition(_config(choices=Choices(see_error=False)))
    coarse = _align(net, 8, torch.randn(1, 12, 8, 8), torch.randn(1, 6, 8, 8))
    nothing = type(coarse)(flow=coarse.flow, mask=torch.zeros_like(coarse.mask))
    fine = _align(net, 16, torch.randn(1, 8, 16, 16), torch.randn(1, 4, 16, 16), coarser=nothing)
    assert fine.mask.max() == 0


@pytest.mark.parametrize(("channels", "count"), [(512, 18_912_352), (256, 4_737_632), (128, 1_189_216)])
def test_the_published_shape_has_the_published_number_of_parameters(channels, count):
    with torch.device("meta"):
        net = Decomposition(
            DecompositionConfig(
                levels=(32,),
                generator_channels=(channels,),
                encoder_channels=(64,),
                choices=Choices(logit_norm=True, see_error=False),
            )
        )
    level = net.level(32)
    ours = sum(p.numel() for p in level.parameters()) - sum(p.numel() for p in level.project_encoder.parameters())
    assert ours == count


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"max_displacement": 0.0}, "max_displacement"),
        ({"levels": (16, 8)}, "coarse to fine"),
        ({"generator_channels": (12,)}, "one entry per level"),
    ],
)
def test_a_shape_that_cannot_work_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        _config(**changes)
