import pytest
import torch
from written_out import irse_unit, norm, pooled, shake, trunk

from oodinv.models.identity import IdentityConfig, IdentityNetwork, crop_face

CONFIG = IdentityConfig(input_resolution=32, stem_width=4, widths=(4, 6, 8, 10), units=(1, 2, 1, 1), embedding_dim=7)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return shake(IdentityNetwork(CONFIG))


@pytest.fixture(scope="module")
def images():
    """Patches of 32 pixels: what is finer the average would level."""
    patches = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return patches.repeat_interleave(32, 2).repeat_interleave(32, 3)


def test_the_network_is_what_its_description_says(network, images):
    weights = network.state_dict()
    face = pooled(images[:, :, 17:111, 16:110], 32)
    last = norm(trunk(face, weights, CONFIG.units, irse_unit)[4], weights, "map_norm")
    features = torch.einsum("bcyx,ecyx->be", last, weights["linear.weight"].view(7, 10, 2, 2)) + weights["linear.bias"]
    features = norm(features, weights, "embedding_norm")
    expected = features / features.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(network.embed(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [(256, (35, 223), (32, 220)), (1024, (140, 892), (128, 880)), (512, (70, 446), (64, 440))],
)
def test_the_face_is_cut_out_where_published_measures_look(size, rows, columns):
    pixels = torch.arange(size * size, dtype=torch.float32).view(1, 1, size, size)
    assert torch.equal(crop_face(pixels), pixels[:, :, slice(*rows), slice(*columns)])


def test_a_picture_is_like_itself_and_who_is_asked_first_does_not_matter(network, images):
    torch.testing.assert_close(network.similarity(images, images), torch.ones(3))
    there, back = network.similarity(images, images.flip(0)), network.similarity(images.flip(0), images)
    torch.testing.assert_close(there, back)
    assert there.shape == (3,) and there.abs().max() <= 1 + 1e-6 and there[0] < 1 - 1e-4


def test_what_is_around_the_face_does_not_count(network, images):
    other = images.clone()
    other[:, :, :17] = 1
    other[:, :, 111:] = -1
    other[:, :, :, :16] = 0.5
    other[:, :, :, 110:] = 0
    assert torch.equal(network.embed(other), network.embed(images))
    other[:, :, 17, 16] += 1
    assert not torch.equal(network.embed(other), network.embed(images))


def test_pictures_of_two_sizes_can_be_compared(network, images):
    larger = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    same, other = network.similarity(images, larger), network.similarity(images, larger.roll(1, 0))
    assert (same > other).all()


def test_a_resolution_the_stages_do_not_halve_evenly_is_refused():
    with pytest.raises(ValueError, match="input_resolution must be a multiple of 16, got 100"):
        IdentityConfig(input_resolution=100)


def test_the_published_size_has_the_published_number_of_weights():
    with torch.device("meta"):
        network = IdentityNetwork(IdentityConfig()).eval()
        assert network.embed(torch.empty(1, 3, 1024, 1024)).shape == (1, 512)
    # 175.3 MB in float32, as the widespread file has.
    assert sum(t.numel() for t in network.state_dict().values()) == 43_824_118
    assert network.linear.weight.shape == (512, 512 * 7 * 7)
