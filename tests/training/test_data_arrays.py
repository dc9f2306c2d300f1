"""Datasets as the training sees them: tensors by index."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oodinv.training.data import Dataset, DatasetError, assert_disjoint, join_datasets, pick


def stored(data):
    return data.crop_pictures.read(data.rows)


def test_datasets_are_joined_one_after_the_other(pack):
    both = join_datasets([pack, pack.subset(slice(3))])
    assert len(both) == 11 and both.size == 32
    assert torch.equal(both.crops(np.array([8, 2, 10])), pack.crops(np.array([0, 2, 2])))
    assert torch.equal(both.accessory(np.array([8, 3])), pack.accessory(np.array([0, 3])))
    assert np.array_equal(both.labels["smile"], np.concatenate([pack.labels["smile"], pack.labels["smile"][:3]]))
    assert both.kinds == pack.kinds + pack.kinds[:3]


def test_no_dataset_is_refused():
    with pytest.raises(DatasetError, match="no dataset given: name at least one folder"):
        join_datasets([])


def test_datasets_of_two_sizes_are_not_joined(pack):
    half = Dataset.from_arrays(crops=stored(pack)[..., ::2, ::2])
    with pytest.raises(DatasetError, match=r"one crop size can be joined, got sizes \[16, 32\]"):
        join_datasets([pack, half])


def test_what_only_one_of_two_datasets_knows_is_dropped_and_told(pack, caplog):
    photos = replace(Dataset.from_arrays(crops=stored(pack)[:2], labels={"age": np.ones(2)}), origin="faces/photos")
    both = join_datasets([pack, photos])
    assert both.params is None and not both.has_masks and set(both.labels) == {"age"}
    assert both.dropped == dict.fromkeys(["masks", "params", "label smile"], "not in faces/photos")
    assert "masks (not in faces/photos); params" in caplog.text
    assert join_datasets([pack, pack]).dropped == {}
    other = replace(pack, parameter_names=tuple("abcdef"), origin="x")
    assert join_datasets([pack, other]).dropped == {"params": "of different names in a dataset and x"}
    with pytest.raises(DatasetError, match="no true masks, which photos never have"):
        both.out_of_domain(np.array([0]))


@given(st.integers(0, 10_000), st.integers(1, 64), st.integers(1, 1000), st.integers(0, 99))
def test_a_step_draws_the_same_crops_whenever_it_is_asked(step, batch, count, seed):
    index = pick(step, batch, count, seed=seed)
    assert np.array_equal(index, pick(step, batch, count, seed=seed))
    assert index.shape == (batch,) and 0 <= index.min() and index.max() < count


def test_pixels_become_floats_and_shrinking_averages(pack):
    index = np.array([0, 3])
    full, half = pack.crops(index), pack.crops(index, 16)
    assert full.min() >= -1 and full.max() <= 1
    expected = torch.from_numpy(stored(pack)[index]).float() / 127.5 - 1
    torch.testing.assert_close(full, expected)
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(expected, 2))
    with pytest.raises(DatasetError, match="crops of 32 pixels are not enlarged to 64"):
        pack.crops(index, 64)


def test_out_of_domain_is_accessory_or_not_the_person(pack):
    index = np.array([0, 1])
    truth = pack.out_of_domain(index)
    assert torch.equal(truth, ((pack.accessory(index) > 0) | (pack.silhouette(index) == 0)).float())
    assert truth[0].mean() > truth[1].mean() > 0


def test_a_subset_of_a_subset_is_the_samples_of_its_samples(pack):
    part = pack.subset(np.array([5, 1, 7])).subset(np.array([2, 0]))
    assert torch.equal(part.crops(np.arange(2)), pack.crops(np.array([7, 5])))
    assert np.array_equal(part.params, pack.params[[7, 5]])
    assert part.hashes == [pack.hashes[7], pack.hashes[5]]


def test_one_mask_without_the_other_is_refused(pack):
    with pytest.raises(DatasetError, match="masks come in pairs"):
        Dataset.from_arrays(crops=stored(pack), accessory=np.zeros((8, 32, 32), np.uint8))


def test_shared_seeds_designs_or_pictures_are_told(pack):
    pixels = stored(pack)
    train = Dataset.from_arrays(crops=pixels[:3], seeds=np.arange(3), designs=["round", "", "square"])
    fine = Dataset.from_arrays(crops=pixels[3:5], seeds=np.arange(10, 12), designs=["oval", ""])
    assert_disjoint(train, fine)
    with pytest.raises(DatasetError, match=r"share 1 seeds \(such as 2\): measure on another split"):
        assert_disjoint(train, Dataset.from_arrays(crops=pixels[3:5], seeds=np.arange(2, 4)))
    with pytest.raises(DatasetError, match=r"1 accessory designs \(such as square\)"):
        assert_disjoint(train, Dataset.from_arrays(crops=pixels[3:4], designs=["square"]))
    with pytest.raises(DatasetError, match="2 pictures"):
        assert_disjoint(train, Dataset.from_arrays(crops=pixels[1:5]))


def test_photos_without_seeds_share_none(pack):
    pixels = stored(pack)
    assert_disjoint(Dataset.from_arrays(crops=pixels[:3]), Dataset.from_arrays(crops=pixels[3:]))
