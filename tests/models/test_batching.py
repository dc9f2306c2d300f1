from dataclasses import fields, replace

import pytest
import torch
from tiny_bundle import SIZE, tiny_model

from oodinv.models.batching import join_inversions, split_inversion
from oodinv.models.inversion import InversionModel


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def inversion(model):
    return model.invert(torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1)


def tensors(inversion):
    """All tensors, with where they lie."""
    found = {"reconstruction": inversion.reconstruction}
    for f in fields(inversion):
        value = getattr(inversion, f.name)
        found |= (
            {f"{f.name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {f.name: value}
        )
    for name in [name for name, value in found.items() if value is not None and not isinstance(value, torch.Tensor)]:
        record = found.pop(name)
        found |= {f"{name}.{f.name}": getattr(record, f.name) for f in fields(record)}
    return found


def same(a, b):
    ours, theirs = tensors(a), tensors(b)
    assert ours.keys() == theirs.keys() and len(ours) > 15
    for name, tensor in ours.items():
        assert (tensor is None) == (theirs[name] is None), name
        assert tensor is None or torch.equal(tensor, theirs[name]), name


def test_what_is_split_and_joined_is_what_it_was(inversion):
    parts = split_inversion(inversion)
    assert [len(part.crop) for part in parts] == [1, 1, 1]
    same(join_inversions(parts), inversion)


def test_each_part_holds_its_own_crops_part_of_everything(inversion):
    whole = tensors(inversion)
    for index, part in enumerate(split_inversion(inversion)):
        for name, tensor in tensors(part).items():
            assert tensor is None or torch.equal(tensor, whole[name][index : index + 1]), name


def test_parts_may_be_joined_in_another_order(inversion):
    a, b, c = split_inversion(inversion)
    same(join_inversions([b]), b)
    same(split_inversion(join_inversions([c, a]))[1], a)


def test_an_edit_of_joined_inversions_is_that_of_each(model, inversion):
    offset = torch.randn(1, *inversion.w_plus.shape[1:], generator=torch.Generator().manual_seed(2))
    parts = split_inversion(inversion)
    for part, edited in zip(parts, split_inversion(model.edit(join_inversions(parts), offset)), strict=True):
        torch.testing.assert_close(model.edit(part, offset).reconstruction, edited.reconstruction, atol=2e-4, rtol=1e-4)


def test_an_inversion_without_decomposition_is_split_too(model, inversion):
    bare = InversionModel(model.encoder, model.generator, None)
    found = bare.invert(inversion.crop)
    assert found.plain is None and not found.levels
    same_size = split_inversion(found)
    assert len(same_size) == 3 and torch.equal(join_inversions(same_size).ood_mask, found.ood_mask)


def test_nothing_is_copied_of_a_single_inversion(inversion):
    one = split_inversion(inversion)[0]
    assert split_inversion(one) == [one] and join_inversions([one]) is one
    assert one.crop.data_ptr() == inversion.crop.data_ptr()


def test_no_inversion_is_refused():
    with pytest.raises(ValueError, match="at least one inversion, got none"):
        join_inversions([])


def test_a_tensor_that_is_not_one_of_the_crops_is_our_mistake(inversion):
    with pytest.raises(AssertionError, match="among those of 3 crops"):
        split_inversion(replace(inversion, content={8: torch.zeros(2, 4, 8, 8)}))
