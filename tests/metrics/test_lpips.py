import pytest
import torch

from oodinv.metrics.lpips import ALEX, VGG, Lpips


@pytest.mark.parametrize("shape", [ALEX, VGG], ids=lambda shape: shape.name)
def test_a_network_is_told_by_its_tensors_and_the_same_picture_is_at_distance_zero(shape):
    torch.manual_seed(0)
    weights = {key: value.clone() for key, value in Lpips(shape).state_dict().items()}
    network = Lpips.from_weights(weights)
    assert network.shape.name == shape.name
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    assert network(image, image).tolist() == [0, 0]
    other = network(image, image.flip(3))
    assert (other > 0).all()
    torch.testing.assert_close(other, network(image.flip(3), image))


def test_the_distance_is_the_weighted_difference_of_unit_features():
    """With the first stage's head alone and one channel alive, features of unit length are 1 where it fires, else 0."""
    network = Lpips(ALEX)
    for conv in network.backbone:
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    for head in network.heads:
        torch.nn.init.zeros_(head)
    torch.nn.init.constant_(network.backbone[0].bias[7:8], 3.0)
    torch.nn.init.constant_(network.backbone[0].weight[7, 0, 5, 5], 100.0)
    torch.nn.init.constant_(network.heads[0][7:8], 0.25)
    bright, dark = torch.ones(1, 3, 64, 64), -torch.ones(1, 3, 64, 64)
    assert network(bright, dark).item() == pytest.approx(0.25)


def test_other_tensors_are_refused():
    with pytest.raises(ValueError, match="alex or vgg"):
        Lpips.from_weights({"backbone.0.weight": torch.zeros(64, 3, 11, 11)})
