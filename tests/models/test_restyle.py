from dataclasses import replace

import pytest
import torch
from written_out import halved, irse_unit, shake, style_head, trunk

from oodinv.models.inversion import InversionModel
from oodinv.models.restyle import RestyleConfig, RestyleEncoder
from oodinv.models.stylegan2 import Generator, GeneratorConfig

CONFIG = RestyleConfig(
    num_layers=8,
    style_dim=10,
    input_resolution=32,
    stem_width=4,
    widths=(4, 6, 8, 16),
    units=(1, 2, 1, 1),
    head_width=5,
    num_passes=3,
)


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def colour(delta_w):
    """A generator to compare with: three rows of the styles are the picture's colours, brighter to the right."""
    return delta_w[:, :3, 0, None, None].tanh() * torch.linspace(0, 1, 64).expand(1, 1, 64, 64) + 0.1


def encoder_of(config=CONFIG):
    torch.manual_seed(0)
    return shake(RestyleEncoder(config))


@pytest.mark.parametrize("progressive", [True, False])
def test_every_pass_sees_the_crop_beside_what_the_styles_so_far_give(crop, progressive):
    encoder = encoder_of(replace(CONFIG, progressive=progressive))
    weights, drawn = encoder.state_dict(), []

    def draw(delta_w):
        drawn.append(delta_w)
        return colour(delta_w)

    encoding = encoder(crop, draw)

    total = torch.zeros(2, 8, 10)
    for number in range(3):
        # The average picture is one for all crops.
        assert drawn[number].shape[0] == (2 if number else 1)
        torch.testing.assert_close(drawn[number].expand(2, -1, -1), total, atol=1e-4, rtol=1e-4)
        maps = trunk(torch.cat([halved(crop), halved(colour(total))], 1), weights, CONFIG.units, irse_unit)
        codes = [style_head(maps[4], weights, index) for index in range(8)]
        total = total + torch.stack([codes[0]] + [code + codes[0] * progressive for code in codes[1:]], 1)
    assert len(drawn) == 3 and not drawn[0].any()
    torch.testing.assert_close(encoding.delta_w, total, atol=1e-4, rtol=1e-4)
    assert encoding.feature_maps.keys() == CONFIG.map_channels.keys() == {32, 16, 8, 4}
    for ours, last in zip(encoding.feature_maps.values(), maps[:4], strict=True):
        torch.testing.assert_close(ours, last, atol=1e-4, rtol=1e-4)
    assert encoding.content == {}


def test_two_crops_in_a_batch_equal_two_batches_of_one(crop):
    encoder = encoder_of()
    both = encoder(crop, colour)
    for index in range(2):
        one = encoder(crop[index : index + 1], colour)
        torch.testing.assert_close(one.delta_w[0], both.delta_w[index], atol=1e-4, rtol=1e-4)
        for resolution, feature_map in both.feature_maps.items():
            torch.testing.assert_close(one.feature_maps[resolution][0], feature_map[index], atol=1e-4, rtol=1e-4)


def test_in_a_model_the_first_pass_sees_the_average_picture_and_the_next_the_plain_one(crop):
    generator = Generator(GeneratorConfig(resolution=32, channel_base=256, channel_max=8, style_dim=10, z_dim=10))
    generator.latent_avg.normal_(generator=torch.Generator().manual_seed(3))
    model = InversionModel(encoder_of(replace(CONFIG, num_passes=2)), generator, None).eval().requires_grad_(False)
    seen = []
    model.encoder.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    inversion = model.invert(halved(crop))
    average = generator.latent_avg[:, None].expand(1, 8, 10)
    photo, picture = seen[0].split(3, dim=1)
    torch.testing.assert_close(photo, halved(crop))
    torch.testing.assert_close(picture, generator.synthesise(average).expand(2, -1, -1, -1))
    after_one = RestyleEncoder(replace(CONFIG, num_passes=1)).eval()
    after_one.load_state_dict(model.encoder.state_dict())
    first = after_one(halved(crop), lambda delta_w: generator.synthesise(average + delta_w)).delta_w
    torch.testing.assert_close(seen[1][:, 3:], generator.synthesise(average + first), atol=1e-4, rtol=1e-4)
    assert len(seen) == 2 and not torch.equal(inversion.w_plus, average + first)


def test_an_encoder_that_cannot_see_what_it_gives_says_so(crop):
    with pytest.raises(ValueError, match="pass `draw`"):
        encoder_of()(crop)


def test_no_pass_is_refused():
    with pytest.raises(ValueError, match="num_passes must be at least 1, got 0"):
        replace(CONFIG, num_passes=0)


def test_the_published_size_has_the_published_shapes():
    with torch.device("meta"):
        encoder = RestyleEncoder(RestyleConfig(num_passes=1))
        encoding = encoder(torch.empty(1, 3, 1024, 1024), lambda delta_w: torch.empty(1, 3, 1024, 1024))
    # As e4e, with 18 heads of four convolutions for its heads of four to six, three more colours and no laterals.
    assert sum(t.numel() for t in encoder.state_dict().values()) == 205_610_164
    assert encoder.stem[0].weight.shape == (64, 6, 3, 3)
    assert encoding.delta_w.shape == (1, 18, 512)
    maps = {256: (64, 256, 256), 128: (64, 128, 128), 64: (128, 64, 64), 32: (256, 32, 32)}
    assert {resolution: m.shape[1:] for resolution, m in encoding.feature_maps.items()} == maps
    assert encoder.config.map_channels == {resolution: shape[0] for resolution, shape in maps.items()}
