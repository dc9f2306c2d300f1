import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from oodinv.evaluation import generator
from oodinv.evaluation.draws import NORMAL, plan_draws
from oodinv.evaluation.evaluate import evaluate
from oodinv.evaluation.generator import uncurated
from oodinv.evaluation.pictures import as_written
from oodinv.evaluation.settings import Settings
from oodinv.evaluation.tally import Quantity
from oodinv.metrics.sliced_wasserstein import Descriptors, sliced_wasserstein
from oodinv.models.latents import Latents
from oodinv.training.data import Dataset

ONLY = Settings(parts=("generator",), generator_count=6, batch=4)
SWD = Quantity("generator", "whole", "drawn", "swd")


def as_dataset(images) -> Dataset:
    return Dataset.from_arrays(crops=((as_written(images) + 1) * 127.5).round().numpy().astype(np.uint8))


def test_a_generator_is_at_no_distance_from_its_own_pictures(tiny, portraits):
    own = as_dataset(uncurated(tiny, 6, seed=0, batch=4))
    near = evaluate({"b": tiny}, {"own": own, "other": portraits}, ONLY)
    # Pictures of other batches differ in their last bits.
    assert near.value("own", "b", SWD).value < 1 < near.value("other", "b", SWD).value
    assert near.value("own", "b", Quantity("generator", "32", "drawn", "swd")).count == 6
    assert near.value("other", "b", SWD).count == 4  # those without accessory


def test_samples_are_the_seeds_and_nothing_else(tiny):
    first, again, other = (uncurated(tiny, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_patches_are_kept_of_so_many_pictures_and_no_more(tiny, portraits, monkeypatch):
    ours, theirs = Descriptors(), Descriptors()
    ours.add(uncurated(tiny, 4, seed=0, batch=2)[:3])
    theirs.add(portraits.crops(np.array([1, 3, 5]), 32))  # the first without accessory
    expected = np.mean(list(sliced_wasserstein(ours, theirs).values()))
    monkeypatch.setattr(generator, "SWD_PICTURES", 3)
    found = evaluate({"b": tiny}, {"d": portraits}, replace(ONLY, batch=2))
    capped = found.value("d", "b", SWD)
    assert capped.count == 3 and capped.value == pytest.approx(expected, rel=1e-2)
    assert found.value("d", "b", SWD._replace(metric="finite")).count == 4


def test_latents_are_those_of_portraits_that_nothing_is_compared_with(tiny, portraits):
    z_dim = tiny.bundle.spec.generator.z_dim
    params = np.random.default_rng(0).normal(3.0, 2.0, (len(portraits), z_dim)).astype(np.float32)
    known = replace(portraits, params=params)
    tiny.latents = Latents.over(params, noise=0.0)
    try:
        draws = plan_draws(tiny, known, 100, seed=0)
        assert list(draws.real) == [1, 5]  # of 1, 3, 5, 7, which have no accessory
        torch.testing.assert_close(draws.latents, tiny.latents(params[[0, 2]]))
        drawn = uncurated(tiny, 2, seed=0, data=known)
        torch.testing.assert_close(drawn, as_written(tiny.draw(draws.latents[:2])))
        found = evaluate({"b": tiny}, {"d": known}, ONLY)
        assert found.value("d", "b", SWD).count == 2
        for unknown in (portraits, replace(known, params=params[:, 1:])):
            assert plan_draws(tiny, unknown, 3, seed=0).told == NORMAL
    finally:
        tiny.latents = None


def test_nothing_is_rounded_to_tf32_while_it_is_measured_and_afterwards_it_is_as_before(tiny, portraits, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seen = []

    def look(*_):
        seen.append(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)

    found = evaluate({"b": tiny}, {"d": portraits}, replace(ONLY, generator_count=1), on_progress=look)
    assert seen == [False] and torch.backends.cudnn.allow_tf32
    assert "without TF32" in found.protocol.facts["preset"]


def test_fid_is_absent_without_inception_and_says_so(tiny, portraits):
    found = evaluate({"b": tiny}, {"d": portraits}, ONLY)
    assert found.value("d", "b", SWD._replace(metric="fid")) is None
    assert any("Inception" in reason for reason in found.absent)
    assert math.isfinite(found.value("d", "b", SWD).value)
