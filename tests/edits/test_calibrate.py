from dataclasses import replace

import pytest
import torch

from oodinv.edits import EditError
from oodinv.edits.directions import Direction, GeneratorShape, calibrate, read_direction

RNG = torch.Generator().manual_seed(0)
LAYERS, DIM, CHANNELS, COUNT = 6, 5, 20, 400
SHAPE = GeneratorShape(num_layers=LAYERS, style_dim=DIM, style_widths=(4, 4, 3, 3, 3, 3))
W = torch.randn(COUNT, DIM, generator=RNG) @ torch.randn(DIM, DIM, generator=RNG) + 4
STYLES = torch.randn(COUNT, CHANNELS, generator=RNG) * torch.rand(CHANNELS, generator=RNG) + 1


def direction(tensor, space, layers=(0, LAYERS)):
    return Direction(tensor=tensor, space=space, layers=layers, unit=None)


def coordinates(tensor, space, layers=(0, LAYERS)):
    """<x - mean, d> / <d, d>, written out with w repeated over the rows."""
    if space == "style":
        points, along = STYLES, tensor
    else:
        first, last = layers
        points = W[:, None].repeat(1, last - first, 1).flatten(1)
        along = (tensor.expand(LAYERS, DIM) if space == "w" else tensor)[first:last].flatten()
    points, along = points.double(), along.double()
    return (points - points.mean(0)) @ along / along.dot(along)


@pytest.mark.parametrize(
    ("tensor", "space", "layers"),
    [
        (torch.randn(DIM, generator=RNG), "w", (0, LAYERS)),
        (torch.randn(DIM, generator=RNG), "w", (1, 3)),
        (torch.randn(LAYERS, DIM, generator=RNG), "w_plus", (0, LAYERS)),
        (torch.randn(CHANNELS, generator=RNG), "style", (0, LAYERS)),
    ],
)
def test_strength_one_is_one_standard_deviation_of_the_coordinate(tensor, space, layers):
    calibrated = calibrate(direction(tensor, space, layers), W, STYLES)
    torch.testing.assert_close(coordinates(calibrated.tensor, space, layers).std(), torch.tensor(1.0).double())
    torch.testing.assert_close(calibrated.tensor, tensor * coordinates(tensor, space, layers).std().float())
    assert calibrated.unit.startswith("1 = one standard deviation of the generator's own latents along the direction")
    assert (calibrated.space, calibrated.layers, calibrated.safe_range) == (space, layers, (-3.0, 3.0))


@pytest.mark.parametrize("factor", [1e-4, -0.5, 4.0, 1e4])
def test_the_length_of_the_file_does_not_matter_but_its_sign_does(factor):
    tensor = torch.randn(LAYERS, DIM, generator=torch.Generator().manual_seed(1))
    one = calibrate(direction(tensor, "w_plus"), W, None).tensor
    other = calibrate(direction(tensor * factor, "w_plus"), W, None).tensor
    torch.testing.assert_close(other, one if factor > 0 else -one)


def test_a_row_for_all_layers_and_the_same_row_for_each_are_one_direction():
    row = torch.randn(DIM, generator=RNG)
    one = calibrate(direction(row, "w"), W, None).tensor
    each = calibrate(direction(row.repeat(LAYERS, 1), "w_plus"), W, None).tensor
    torch.testing.assert_close(each, one.repeat(LAYERS, 1))


@pytest.mark.parametrize(("channel", "index"), [("0_0", 0), ("0_3", 3), ("1_0", 4), ("2_2", 10), ("5_2", 19)])
def test_a_channel_rises_by_its_own_standard_deviation(channel, index):
    read = read_direction(f"channel:{channel}#safe=-10:20", SHAPE)
    assert (read.space, read.unit, read.safe_range) == ("style", None, (-10.0, 20.0))
    assert read.tensor.nonzero().tolist() == [[index]] and read.tensor.sum() == 1
    calibrated = calibrate(read, W, STYLES)
    torch.testing.assert_close(calibrated.tensor[index], STYLES[:, index].std())
    assert calibrated.tensor.count_nonzero() == 1
    assert calibrated.unit == "1 = one standard deviation of the channel over the generator's own latents"


def test_the_papers_numbering_counts_rgb_layers(ffhq):
    """`9_409` is in the second convolution at 32 pixels, after 4x4 (2 layers), 8 and 16 (3 each) and one at 32."""
    assert read_direction("channel:9_409", ffhq).tensor.nonzero().tolist() == [[9 * 512 + 409]]
    assert ffhq.rgb_layers == (1, 4, 7, 10, 13, 16, 19, 22, 25)
    assert read_direction("channel:25_31", ffhq).tensor.nonzero().tolist() == [[9087]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channel:26_0", "this generator has style layers 0 to 25, got 26"),
        ("channel:15_256", "layer 15 has channels 0 to 255, got 256"),
        ("channel:9", "expected channel:LAYER_INDEX like channel:9_409, got 'channel:9'"),
        ("channel:-1_3", "expected channel:LAYER_INDEX"),
        ("channel:9_٣", "expected channel:LAYER_INDEX"),
        ("channel:9_409#layers=0:4", "unknown option 'layers', this kind takes unit, safe"),
    ],
)
def test_a_channel_it_does_not_have_is_refused(ffhq, text, expected):
    with pytest.raises(EditError) as caught:
        read_direction(text, ffhq)
    assert expected in str(caught.value)


def test_what_has_a_unit_is_left_alone(tmp_path):
    read = read_direction("channel:0_0#unit=raw", SHAPE)
    assert calibrate(read, W, STYLES) is read and read.tensor.max() == 1


def test_a_direction_the_latents_do_not_vary_along_is_refused():
    flat = W.clone()
    flat[:, 0] = 3.7
    along = torch.eye(DIM)[0]
    with pytest.raises(EditError, match="do not vary along this direction, so it has no natural unit: give unit=raw"):
        calibrate(direction(along, "w"), flat, None)
    opposite = torch.stack([along, -along] * 3)  # moves rows apart, which w repeated never does
    with pytest.raises(EditError, match="do not vary"):
        calibrate(direction(opposite, "w_plus"), W, None)


def test_too_little_to_calibrate_by_is_refused():
    with pytest.raises(ValueError, match="at least two latents, got 1"):
        calibrate(direction(torch.ones(DIM), "w"), W[:1], None)
    with pytest.raises(ValueError, match="calibrated by styles"):
        calibrate(direction(torch.ones(CHANNELS), "style"), W, None)


def test_calibrating_leaves_the_direction_it_was_given_alone():
    before = direction(torch.ones(DIM), "w")
    calibrate(before, W, None)
    assert torch.equal(before.tensor, torch.ones(DIM)) and replace(before).unit is None
