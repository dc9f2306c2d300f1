import numpy as np
import pytest
import torch

from oodinv.metrics.frechet import frechet_distance
from oodinv.metrics.inception import Inception
from oodinv.metrics.kernel_distance import kernel_distance
from oodinv.metrics.laplacian import laplacian_pyramid
from oodinv.metrics.sliced_wasserstein import Descriptors, sliced_wasserstein


def described(images, *, batch=4, seed=0):
    found = Descriptors(seed=seed)
    for part in images.split(batch):
        found.add(part)
    return found


def test_a_flat_picture_has_nothing_but_its_low_pass():
    levels = laplacian_pyramid(torch.full((1, 3, 64, 64), 0.3))
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    assert levels[1].abs().max() < 1e-6 and levels[2].sub(0.3).abs().max() < 1e-6


def test_the_distance_of_a_set_to_itself_is_zero_and_grows_with_noise():
    torch.manual_seed(0)
    images = torch.nn.functional.interpolate(torch.rand(12, 3, 8, 8) * 2 - 1, size=32, mode="bilinear")
    itself = sliced_wasserstein(described(images), described(images, batch=5))
    assert set(itself) == {32, 16} and all(value == 0 for value in itself.values())
    far = [
        sliced_wasserstein(described(images), described(images + s * torch.randn_like(images)))[32] for s in (0.05, 0.5)
    ]
    assert 0 < far[0] < far[1]


def test_the_distance_in_one_dimension_is_that_of_sorted_values():
    """With patches known: a direction's distance is the mean difference of sorted projections."""
    rng = torch.Generator().manual_seed(3)
    a, b = Descriptors(count=1), Descriptors(count=1)
    a.levels[16], b.levels[16] = ([torch.randn(40, 3, 7, 7, generator=rng)] for _ in range(2))
    found = sliced_wasserstein(a, b, repeats=1, directions=5, seed=9)[16]
    axes = torch.randn(147, 5, generator=torch.Generator().manual_seed(9)).numpy().astype(float)
    sets = []
    for part in (a, b):
        patches = part.levels[16][0].numpy().astype(float)
        mean, deviation = (f(patches, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
        sets.append(
            np.sort(((patches - mean) / deviation).reshape(40, -1) @ (axes / np.linalg.norm(axes, axis=0)), axis=0)
        )
    assert found == pytest.approx(1000 * np.abs(sets[0] - sets[1]).mean(), rel=1e-4)


def test_sets_of_different_numbers_are_refused():
    images = torch.zeros(3, 3, 16, 16)
    with pytest.raises(ValueError, match="as many pictures"):
        sliced_wasserstein(described(images), described(images[:2]))


def test_the_frechet_distance_of_shifted_and_scaled_gaussians_is_the_closed_form():
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 6, generator=rng).double()
    a = (a - a.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(a.T))).T  # mean 0, covariance exactly 1
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(6 * 4, rel=1e-9)
    assert frechet_distance(a, 3 * a) == pytest.approx(6 * (3 - 1) ** 2, rel=1e-9)


def test_the_frechet_distance_takes_fewer_pictures_than_features():
    a, b = torch.randn(5, 20), torch.randn(5, 20)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6) and frechet_distance(a, b) > 0


def test_the_kernel_distance_equals_the_double_sum():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 4)), rng.standard_normal((5, 4)) + 1
    kernel = lambda x, y: (x @ y / 4 + 1) ** 3  # noqa: E731
    within = lambda s: np.mean([kernel(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j])  # noqa: E731
    expected = within(a) + within(b) - 2 * np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected)


def test_the_inception_network_has_the_published_size_and_refuses_other_tensors():
    with torch.device("meta"):
        network = Inception()
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_785_568
    with pytest.raises(ValueError, match="pt_inception"):
        Inception.from_weights({"fc.weight": torch.zeros(1008, 2048)})


@pytest.mark.slow
def test_the_inception_network_runs_from_its_own_tensors_and_ignores_the_classifier():
    torch.manual_seed(0)
    network = Inception().eval()
    weights = dict(network.state_dict()) | {"fc.weight": torch.zeros(1008, 2048)}
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(Inception.from_weights(weights)(images), network(images))
