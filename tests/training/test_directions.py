import numpy as np
import pytest
import torch

from oodinv.training.directions import fit_directions

COUNT, DIM = 200, 24


@pytest.fixture(scope="module")
def linear():
    """Styles that are an exactly linear function of two correlated labels."""
    rng = np.random.default_rng(0)
    age = rng.normal(40, 12, COUNT)
    smile = 0.03 * age + rng.normal(0, 2, COUNT)
    slopes = {name: torch.from_numpy(rng.normal(size=DIM)) for name in ("age", "smile")}
    labels = {"age": age, "smile": smile}
    w = 3 + sum(torch.from_numpy(labels[name])[:, None] * slopes[name] for name in labels)
    return w.float(), labels, slopes


def test_a_linear_style_is_recovered_exactly_and_one_is_a_standard_deviation(linear):
    w, labels, slopes = linear
    for name, direction in fit_directions(w, labels, ["smile", "age"]).items():
        deviation = torch.from_numpy(labels[name]).std()
        torch.testing.assert_close(direction.double(), slopes[name] * deviation, rtol=1e-4, atol=1e-4)


def test_what_comes_with_another_label_is_not_part_of_the_direction(linear):
    w, labels, slopes = linear
    both = fit_directions(w, labels, ["smile"])["smile"]
    alone = fit_directions(w, {"smile": labels["smile"]}, ["smile"])["smile"]
    true = slopes["smile"] * torch.from_numpy(labels["smile"]).std()
    assert (both - true).norm() < 1e-3 < 0.1 < (alone - true).norm()


def test_the_unit_of_a_label_does_not_matter(linear):
    w, labels, _ = linear
    in_months = labels | {"age": 12 * labels["age"] + 5}
    first, second = (fit_directions(w, given, ["age"])["age"] for given in (labels, in_months))
    torch.testing.assert_close(first, second)


def test_a_label_that_does_not_vary_is_refused(linear):
    w, labels, _ = linear
    with pytest.raises(ValueError, match="label 'hat' does not vary over 200 portraits"):
        fit_directions(w, labels | {"hat": np.ones(COUNT)}, ["age"])


def test_an_unknown_name_is_refused_with_the_known_ones(linear):
    w, labels, _ = linear
    with pytest.raises(KeyError, match=r"no label for \['beard'\].*\['age', 'smile'\]"):
        fit_directions(w, labels, ["age", "beard"])
