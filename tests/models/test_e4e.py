import pytest
import torch
import torch.nn.functional as F
from written_out import conv, halved, irse_unit, shake, style_head, trunk

from oodinv.models.e4e import Encoder, EncoderConfig

SMALL = {
    "num_layers": 9,
    "style_dim": 10,
    "input_resolution": 32,
    "stem_width": 4,
    "widths": (4, 6, 8, 16),
    "units": (1, 2, 1, 1),
    "head_width": 5,
}


def crops(size, count=2):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("upsample", ["bilinear", "bicubic"])
def test_the_encoder_is_what_its_description_says(progressive, upsample):
    config = EncoderConfig(**SMALL, progressive=progressive, pyramid_upsample=upsample)
    encoder = shake(Encoder(config))
    weights = encoder.state_dict()
    encoding = encoder(crops(32))
    maps = trunk(crops(32), weights, config.units, irse_unit)

    def up(x, like):
        return F.interpolate(x, like.shape[-2:], mode=upsample, align_corners=True)

    middle = up(maps[4], maps[3]) + conv(maps[3], weights, "lateral_middle")
    fine = up(middle, maps[2]) + conv(maps[2], weights, "lateral_fine")
    below = [maps[4]] * 3 + [middle] * 4 + [fine] * 2
    codes = [style_head(x, weights, index) for index, x in enumerate(below)]
    expected = [codes[0]] + [code + codes[0] * progressive for code in codes[1:]]
    torch.testing.assert_close(encoding.delta_w, torch.stack(expected, 1), atol=1e-4, rtol=1e-4)
    assert encoding.feature_maps.keys() == config.map_channels.keys() == {32, 16, 8, 4}
    for ours, theirs in zip(encoding.feature_maps.values(), maps[:4], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert encoding.content == {}


def test_a_crop_of_another_size_is_resized():
    encoder = shake(Encoder(EncoderConfig(**SMALL, antialias=False)))
    # Without low-pass, bilinear halving is the mean of 2 x 2 pixels.
    torch.testing.assert_close(encoder(crops(64)).delta_w, encoder(halved(crops(64))).delta_w, atol=1e-4, rtol=1e-4)
