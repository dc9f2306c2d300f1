"""Edits in every space, by name and by tensor, against plain sums and against a generator changed by hand."""

import copy
from typing import get_args

import pytest
import torch
from tiny_bundle import NUM_LAYERS, STYLE_DIM, tiny_directions, tiny_fields, tiny_model

from oodinv.bundles.bundle import save_bundle
from oodinv.bundles.describe import describe_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.bundles.shape import generator_shape
from oodinv.edits import Edit, EditError
from oodinv.edits.directions import calibrate, read_direction
from oodinv.edits.raw import RawEdit
from oodinv.models.decomposition import Composition

RNG = torch.Generator().manual_seed(11)
ROW = torch.randn(STYLE_DIM, generator=RNG)
ROWS = torch.randn(NUM_LAYERS, STYLE_DIM, generator=RNG)
CHANNELS = 16 * 11
STYLE = torch.randn(CHANNELS, generator=RNG)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny bundle with an edit in each space; its decomposition looks at what is drawn."""
    fields = tiny_fields()
    edits = fields["directions"]["edits"]
    edits["pose"] = {"space": "w_plus", "layers": [2, 5], "unit": "1 = a step", "safe_range": [-3, 3]}
    edits["lips"] = {"space": "style", "layers": [0, NUM_LAYERS], "unit": "1 = a step", "safe_range": [-20, 30]}
    directions = tiny_directions() | {"pose": ROWS, "lips": STYLE}
    out = tmp_path_factory.mktemp("bundles") / "spaces"
    save_bundle(out, fields=fields, model=tiny_model(), directions=directions, card="", dtype=torch.float32)
    return out


@pytest.fixture(scope="module")
def inverter(folder):
    return Inverter.from_bundle(str(folder))


@pytest.fixture(scope="module")
def inversion(inverter):
    return inverter.invert(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1)


@pytest.mark.parametrize("shape", [(STYLE_DIM,), (1, STYLE_DIM)])
@pytest.mark.parametrize("layers", [None, (0, 8), (2, 5), (7, 8)])
def test_one_row_moves_the_rows_it_is_given(inverter, inversion, shape, layers):
    edited = inverter.edit(inversion, [Edit.raw(ROW.reshape(shape), -2.5, layers=layers)])
    expected = inversion.w_plus.clone()
    for row in range(*(layers or (0, NUM_LAYERS))):
        expected[0, row] += -2.5 * ROW
    torch.testing.assert_close(edited.w_plus, expected)


@pytest.mark.parametrize(
    "shape",
    [(NUM_LAYERS, STYLE_DIM), (1, NUM_LAYERS, STYLE_DIM), (NUM_LAYERS * STYLE_DIM,), (1, NUM_LAYERS * STYLE_DIM)],
)
@pytest.mark.parametrize("layers", [None, (2, 5)])
def test_a_row_for_each_moves_each_by_its_own(inverter, inversion, shape, layers):
    edited = inverter.edit(inversion, [Edit.raw(ROWS.reshape(shape), 0.5, layers=layers)])
    expected = inversion.w_plus.clone()
    for row in range(*(layers or (0, NUM_LAYERS))):
        expected[0, row] += 0.5 * ROWS[row]
    torch.testing.assert_close(edited.w_plus, expected)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("age", Edit.raw(tiny_directions()["age"], 1.5)),
        ("smile", Edit.raw(tiny_directions()["smile"], 1.5, layers=(2, 6))),
        ("pose", Edit.raw(ROWS, 1.5, layers=(2, 5))),
        ("lips", Edit.raw(STYLE, 1.5)),
        ("lips", Edit.raw(STYLE[None], 1.5)),
    ],
)
def test_a_named_edit_is_its_tensor(inverter, inversion, name, raw):
    by_name, by_tensor = inverter.edit(inversion, [Edit(name, 1.5)]), inverter.edit(inversion, [raw])
    assert torch.equal(by_name.generated, by_tensor.generated) and torch.equal(by_name.w_plus, by_tensor.w_plus)
    assert (by_name.generated - inversion.generated).abs().max() > 0.01


def with_styles_shifted(inverter, strength):
    """The same inverter, its generator's affine biases raised by hand, layer after layer in drawing order."""
    changed = copy.deepcopy(inverter)
    generator = changed._model.generator
    in_order = [generator.convs[0], generator.to_rgbs[0]]
    for k in range(1, 4):
        in_order += [generator.convs[2 * k - 1], generator.convs[2 * k], generator.to_rgbs[k]]
    taken = 0
    for layer in in_order:
        width = len(layer.affine.bias)
        layer.affine.bias.data += strength * STYLE[taken : taken + width]
        taken += width
    assert taken == CHANNELS
    return changed


def test_an_edit_of_stylespace_is_the_generator_with_its_biases_shifted(inverter, inversion):
    edited = inverter.edit(inversion, [Edit("lips", 0.7)])
    by_hand = with_styles_shifted(inverter, 0.7).edit(inversion, [])
    torch.testing.assert_close(edited.generated, by_hand.generated, atol=1e-4, rtol=1e-4)
    assert torch.equal(edited.w_plus, inversion.w_plus)
    assert (edited.generated - inversion.generated).abs().max() > 0.05


def test_edits_of_all_spaces_add_up_in_any_order(inverter, inversion):
    edits = [
        Edit("smile", 1.0),
        Edit("pose", -0.5),
        Edit("lips", 0.4),
        Edit.raw(ROW, 0.3, layers=(1, 3)),
        Edit("age", 2.0),
    ]
    together = inverter.offset(edits)
    apart = [inverter.offset([edit]) for edit in edits]
    torch.testing.assert_close(together.w_plus, sum(offset.w_plus for offset in apart))
    torch.testing.assert_close(together.style, 0.4 * STYLE[None])
    by_hand = with_styles_shifted(inverter, 0.4)._model.edit(inversion, together.w_plus)
    for order in (edits, edits[::-1]):
        edited = inverter.edit(inversion, order)
        torch.testing.assert_close(edited.generated, by_hand.generated, atol=1e-4, rtol=1e-4)


def test_two_edits_of_stylespace_add_up(inverter):
    channel = read_direction("channel:2_7", generator_shape(inverter._model.generator)).tensor
    found = inverter.offset([Edit("lips", 2.0), Edit.raw(channel, -1.0)]).style
    expected = 2 * STYLE[None]
    expected[0, 2 * 16 + 7] -= 1
    torch.testing.assert_close(found, expected)


def test_a_calibrated_channel_raises_its_style_by_its_standard_deviation(inverter):
    generator = inverter._model.generator
    codes = generator.map(torch.randn(300, 20, generator=torch.Generator().manual_seed(1)))
    styles = generator.styles(codes)
    channel = read_direction("channel:3_5", generator_shape(generator))
    moved = Edit.raw(calibrate(channel, codes[:, 0], styles).tensor, 1.0)
    assert inverter.offset([moved]).style[0, 3 * 16 + 5] == pytest.approx(float(styles[:, 3 * 16 + 5].std()))


@pytest.mark.parametrize(
    ("tensor", "came"),
    [
        (torch.ones(512), "(512,)"),
        (torch.ones(18, STYLE_DIM), "(18, 24): it is for a generator of 18 layers (1024 pixels), this one has 8"),
        (torch.ones(2, NUM_LAYERS, STYLE_DIM), "(2, 8, 24)"),
        (torch.ones(1, 1, NUM_LAYERS, STYLE_DIM), "(1, 1, 8, 24)"),
        (torch.tensor(1.0), "()"),
    ],
)
def test_a_tensor_of_another_shape_is_refused_with_both(inverter, inversion, tensor, came):
    with pytest.raises(EditError) as caught:
        inverter.edit(inversion, [Edit.raw(tensor, 1.0)])
    expected = "(24,), (1, 24), (8, 24), (1, 8, 24), (192,) or (StyleSpace) (176,)"
    assert str(caught.value) == f"a direction for this bundle must have shape {expected}, got {came}"


@pytest.mark.parametrize("layers", [(0, 9), (3, 3), (-1, 2)])
def test_layers_the_generator_does_not_have_are_refused(inverter, layers):
    with pytest.raises(EditError, match=rf"0 <= A < B <= 8, got {layers[0]} to {layers[1]}"):
        inverter.offset([Edit.raw(ROW, 1.0, layers=layers)])


@pytest.mark.parametrize(
    ("tensor", "strength", "text"),
    [
        (ROW, float("nan"), "strength is a finite number"),
        (ROW * float("inf"), 1.0, "finite numbers, got NaN or infinite"),
        (torch.ones(STYLE_DIM, dtype=torch.int64), 1.0, "floating point numbers, got torch.int64"),
    ],
)
def test_what_is_no_move_is_refused_at_once(tensor, strength, text):
    with pytest.raises(EditError, match=text):
        Edit.raw(tensor, strength)


def test_a_raw_edit_needs_no_gradient_and_takes_any_precision(inverter):
    trained = torch.nn.Parameter(ROW.double())
    edit = Edit.raw(trained, 2.0)
    assert isinstance(edit, RawEdit)
    offset = inverter.offset([edit, Edit.raw(ROW.half(), 1.0)]).w_plus
    assert not offset.requires_grad and offset.dtype == torch.float32
    torch.testing.assert_close(offset[0, 0], 2 * ROW + ROW.half().float())


def test_a_composition_can_be_chosen_for_each_edit(inverter, inversion):
    edits = [Edit("smile", 2.0), Edit("lips", 0.5)]
    default = inverter.bundle.spec.edit_composition
    drawn = {}
    for composition in ("repredict", "reuse", "minimum"):
        offset = inverter.offset(edits)
        model = inverter._model.edit(inversion, offset.w_plus, style_offset=offset.style, composition=composition)
        drawn[composition] = inverter.edit(inversion, edits, composition).generated
        assert torch.equal(drawn[composition], model.generated)
    assert default == "reuse" and torch.equal(inverter.edit(inversion, edits).generated, drawn["reuse"])
    assert not torch.equal(drawn["repredict"], drawn["reuse"])
    assert set(drawn) <= set(get_args(Composition))


def test_the_description_says_space_and_layers_of_every_edit(folder):
    text = describe_bundle(str(folder))
    assert "  smile: 1 = a random step; safe from -2 to 2; w 2:6\n" in text
    assert "  pose: 1 = a step; safe from -3 to 3; w_plus 2:5\n" in text
    assert "  lips: 1 = a step; safe from -20 to 30; style" in text
