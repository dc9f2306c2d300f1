import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oodinv.training.pack import images, join_packs, load_pack, masks, out_of_domain, pick


def write(pack, folder):
    folder.mkdir()
    for name in ("crops", "accessory", "silhouette", "params"):
        np.save(folder / f"{name}.npy", getattr(pack, name))
    np.savez(folder / "labels.npz", **pack.labels)
    (folder / "kinds.json").write_text(json.dumps([kind or None for kind in pack.kinds]))
    return folder


def test_packs_are_read_and_joined(pack, tmp_path):
    both = load_pack([write(pack, tmp_path / "a"), write(pack.head(3), tmp_path / "b")])
    assert len(both) == 11 and both.size == 32
    assert np.array_equal(both.crops[8:], pack.crops[:3])
    assert np.array_equal(both.labels["smile"][:8], pack.labels["smile"])
    assert both.kinds == pack.kinds + pack.kinds[:3]


def test_no_pack_is_refused():
    with pytest.raises(ValueError, match="no pack given: pass at least one folder"):
        load_pack([])


def test_packs_of_two_sizes_are_not_joined(pack):
    half = {name: getattr(pack, name)[..., ::2, ::2] for name in ("crops", "accessory", "silhouette")}
    with pytest.raises(ValueError, match=r"one crop size can be joined, got sizes \[16, 32\]"):
        join_packs([pack, replace(pack, **half)])


@given(st.integers(0, 10_000), st.integers(1, 64), st.integers(1, 1000), st.integers(0, 99))
def test_a_step_draws_the_same_crops_whenever_it_is_asked(step, batch, count, seed):
    index = pick(step, batch, count, seed=seed)
    assert np.array_equal(index, pick(step, batch, count, seed=seed))
    assert index.shape == (batch,) and 0 <= index.min() and index.max() < count


def test_pixels_become_floats_and_shrinking_averages(pack):
    index = np.array([0, 3])
    full, half = images(pack, index, 32), images(pack, index, 16)
    assert full.min() >= -1 and full.max() <= 1
    expected = torch.from_numpy(pack.crops[index]).float() / 127.5 - 1
    torch.testing.assert_close(full, expected)
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(expected, 2))


def test_out_of_domain_is_accessory_or_not_the_person(pack):
    index = np.array([0, 1])
    truth = out_of_domain(pack, index, 32)
    accessory, person = masks(pack.accessory, index, 32), masks(pack.silhouette, index, 32)
    assert torch.equal(truth, ((accessory > 0) | (person == 0)).float())
    assert truth[0].mean() > truth[1].mean() > 0
