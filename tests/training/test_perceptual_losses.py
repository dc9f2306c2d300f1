"""Perceptual, style, structure and identity loss: closed forms and files."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tiny_bundle import tiny_model

from oodinv.training.errors import TrainingError
from oodinv.training.likeness import identity_loss
from oodinv.training.losses import multiscale_l1
from oodinv.training.perceptual import (
    TAP_WEIGHTS,
    VGG19Features,
    gram_matrix,
    layer_numbers,
    perceptual_terms,
    read_vgg19,
)
from oodinv.training.structure import (
    encoder_features,
    feature_distance,
    keep_where,
    sobel,
    structure_loss,
)

WIDTHS = (3, 4, 4, 5, 5)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def tiny_vgg():
    torch.manual_seed(0)
    return VGG19Features(WIDTHS)


def test_the_convolutions_have_torchvisions_numbers():
    assert layer_numbers() == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]


def test_the_maps_are_those_of_the_same_layers_in_a_row():
    network, image = tiny_vgg(), rand(2, 3, 32, 32) * 2 - 1
    x = (image + 1) / 2
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    plan = ["c", "r", "t", "p", "c", "r", "t", "p", *"crcrcrt", "p", *"crcrcrt", "p", *"crcrcrt"]
    convs, maps = iter(network.convs), []
    for step in plan:
        if step == "p":
            x = F.max_pool2d(F.relu(x), 2)
        elif step == "r":
            x = F.relu(x)
        else:
            x = next(convs)(x)
            if step == "t":
                maps.append(x)
    for ours, theirs in zip(network(image), maps, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]


def test_equal_images_cost_nothing_and_the_gradient_reaches_the_image_only():
    network, image = tiny_vgg(), (rand(1, 3, 32, 32) * 2 - 1).requires_grad_(True)
    same = perceptual_terms(network, image, image)
    assert same.perceptual.item() == 0 and same.style.item() == 0
    target = (rand(1, 3, 32, 32, seed=1) * 2 - 1).requires_grad_(True)
    terms = perceptual_terms(network, image, target)
    (terms.perceptual + 50 * terms.style).backward()
    assert image.grad.abs().sum() > 0 and target.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_terms_are_weighted_means_over_the_taps():
    network, image, target = tiny_vgg(), rand(2, 3, 32, 32), rand(2, 3, 32, 32, seed=1)
    pairs = list(zip(TAP_WEIGHTS, network(image), network(target), strict=True))
    terms = perceptual_terms(network, image, target)
    assert terms.perceptual.item() == pytest.approx(sum(w * F.l1_loss(a, b).item() for w, a, b in pairs), rel=1e-5)
    grams = sum(w * F.l1_loss(gram_matrix(a), gram_matrix(b)).item() for w, a, b in pairs)
    assert terms.style.item() == pytest.approx(grams, rel=1e-5)


def test_the_gram_matrix_of_constant_channels_is_their_outer_product():
    levels = torch.tensor([1.0, -2.0, 3.0])
    gram = gram_matrix(levels.view(1, 3, 1, 1).expand(1, 3, 4, 5))
    torch.testing.assert_close(gram[0], torch.outer(levels, levels) / 3)


def test_style_does_not_see_where_things_are():
    feature_map = rand(1, 4, 6, 6)
    torch.testing.assert_close(gram_matrix(feature_map), gram_matrix(feature_map.roll((2, 3), dims=(2, 3))))


def torchvision_names(network):
    return {
        f"features.{number}.{part}": getattr(conv, part).detach().clone()
        for number, conv in zip(layer_numbers(), network.convs, strict=True)
        for part in ("weight", "bias")
    }


def test_weights_come_back_from_a_file_with_a_classifier(tmp_path):
    network = tiny_vgg()
    save_file(torchvision_names(network) | {"classifier.0.weight": torch.zeros(2)}, tmp_path / "vgg.safetensors")
    image = rand(1, 3, 32, 32)
    for ours, theirs in zip(read_vgg19(tmp_path / "vgg.safetensors")(image), network(image), strict=True):
        assert torch.equal(ours, theirs)


def test_a_file_that_is_not_vgg19_is_refused(tmp_path):
    names = torchvision_names(tiny_vgg())
    del names["features.34.bias"]
    save_file(names, tmp_path / "short.safetensors")
    with pytest.raises(TrainingError, match=r"missing features\.34\.bias"):
        read_vgg19(tmp_path / "short.safetensors")
    wrong = torchvision_names(tiny_vgg()) | {"features.0.weight": torch.zeros(3, 1, 3, 3)}
    save_file(wrong, tmp_path / "wrong.safetensors")
    with pytest.raises(
        TrainingError, match=r"expected features\.0\.weight of shape \(3, 3, 3, 3\), got \(3, 1, 3, 3\)"
    ):
        read_vgg19(tmp_path / "wrong.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(TrainingError, match="expected vgg19 as a safetensors file"):
        read_vgg19(tmp_path / "text.safetensors")


def test_the_gradient_of_a_ramp_is_its_slope():
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    gradient = sobel((0.5 * x - 2 * y)[None, None])
    assert gradient.shape == (1, 2, 8, 9)
    inside = gradient[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside[:, 0], torch.full_like(inside[:, 0], 0.5))
    torch.testing.assert_close(inside[:, 1], torch.full_like(inside[:, 1], -2.0))


def test_a_constant_difference_has_no_edges():
    image, weight = rand(2, 3, 16, 16), rand(2, 1, 16, 16, seed=1)
    both = structure_loss(image + 0.25, image, weight)
    assert both.item() == pytest.approx(multiscale_l1(image + 0.25, image, weight).item(), rel=1e-5)


def test_an_edge_that_is_missing_costs_more_than_its_colours_alone():
    image, weight = torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    edged = image.clone()
    edged[..., 8:] = 1
    assert structure_loss(edged, image, weight, (1,)).item() == pytest.approx(0.5 + 2 * 0.5 / 16 / 2)


def test_feature_distance_is_one_minus_the_cosine():
    def network(x):
        return [x, 7 * x]  # scale counts for nothing

    a, b = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    a[:, 0], b[:, 1] = 1, 1
    assert feature_distance(network, a, b).item() == pytest.approx(1)
    assert feature_distance(network, a, -2 * a).item() == pytest.approx(2)
    assert feature_distance(network, a, 5 * a).item() == pytest.approx(0, abs=1e-6)


def test_an_encoder_serves_as_feature_network():
    model = tiny_model()
    size = model.generator.config.resolution
    image, target = (rand(2, 3, size, size, seed=s) for s in (0, 1))
    network = encoder_features(model.encoder.eval())
    x = image.clone().requires_grad_(True)
    distance = feature_distance(network, x, target)
    distance.backward()
    assert 0 < distance.item() < 2 and x.grad.abs().sum() > 0
    assert feature_distance(network, image, image).item() == pytest.approx(0, abs=1e-5)


def test_what_weighs_nothing_is_replaced_by_the_target():
    image, target, weight = rand(1, 3, 4, 4), rand(1, 3, 4, 4, seed=1), torch.zeros(1, 1, 4, 4)
    weight[..., :2] = 1
    mixed = keep_where(image, target, weight)
    assert torch.equal(mixed[..., :2], image[..., :2]) and torch.equal(mixed[..., 2:], target[..., 2:])


def test_identity_is_an_angle():
    def embed(x):
        return x[:, :, 0, 0]

    east, north = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    east[:, 0], north[:, 1] = 2, 1
    assert identity_loss(embed, east, north).item() == pytest.approx(1)
    assert identity_loss(embed, east, 3 * east).item() == pytest.approx(0)
    assert identity_loss(embed, east, east + 2 * north).item() == pytest.approx(1 - 0.5**0.5)
