import pytest
import torch
from tiny_bundle import LAYERS, NUM_LAYERS, tiny_directions

import oodinv
from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit, EditError


@pytest.fixture(scope="module")
def inverter(tiny_bundle):
    return Inverter.from_bundle(str(tiny_bundle))


@pytest.fixture(scope="module")
def inversion(inverter):
    return inverter.invert(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1)


def test_the_package_offers_the_inverter_and_the_edit():
    assert oodinv.Inverter is Inverter and oodinv.Edit is Edit
    with pytest.raises(AttributeError, match="no attribute 'Invertor'"):
        oodinv.Invertor  # noqa: B018


@pytest.mark.parametrize("name", LAYERS)
def test_an_edit_moves_its_layers_by_strength_times_its_direction_and_no_other(inverter, name):
    first, last = LAYERS[name]
    found = inverter.offset([Edit(name, -1.5)])
    offset = found.w_plus
    assert found.style is None and offset.shape == (1, NUM_LAYERS, 24)
    expected = -1.5 * tiny_directions()[name].half().float()
    assert torch.equal(offset[0, first:last], expected.expand(last - first, -1))
    assert not offset[0, :first].any() and not offset[0, last:].any()


def test_combined_edits_add_up_in_any_order(inverter):
    smile, age, yaw = Edit("smile", 1.5), Edit("age", -1.0), Edit("yaw", 0.25)
    total = sum(inverter.offset([edit]).w_plus for edit in (smile, age, yaw))
    torch.testing.assert_close(inverter.offset([smile, age, yaw]).w_plus, total)
    torch.testing.assert_close(inverter.offset([yaw, smile, age]).w_plus, total)


def test_no_edit_is_no_offset(inverter, inversion):
    assert not inverter.offset([]).w_plus.any() and inverter.offset([]).style is None
    assert torch.equal(inverter.edit(inversion, []).generated, inversion.generated)


def test_an_edit_and_its_opposite_cancel(inverter, inversion):
    there = inverter.edit(inversion, [Edit("smile", 2.0)])
    back = inverter.edit(there, [Edit("smile", -2.0)])
    assert (there.generated - inversion.generated).abs().max() > 0.01
    torch.testing.assert_close(back.w_plus, inversion.w_plus, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back.generated, inversion.generated, atol=1e-3, rtol=1e-3)


def test_an_unknown_edit_lists_the_known_ones(inverter, inversion):
    with pytest.raises(EditError, match=r"bundle 'tiny' has no edit 'beard': it has \['age', 'smile', 'yaw'\]"):
        inverter.edit(inversion, [Edit("smile", 1.0), Edit("beard", 1.0)])


def test_a_crop_of_another_size_is_refused(inverter):
    with pytest.raises(ValueError, match="32 pixels wide"):
        inverter.invert(torch.zeros(1, 3, 48, 48))


def test_results_need_no_gradient(inversion):
    assert not inversion.generated.requires_grad and not inversion.w_plus.requires_grad
