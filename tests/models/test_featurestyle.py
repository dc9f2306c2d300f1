from dataclasses import replace

import pytest
import torch
from written_out import conv, halved, norm, pooled, prelu, shake, trunk

from oodinv.models.featurestyle import FeatureStyleConfig, FeatureStyleEncoder
from oodinv.models.inversion import InversionModel
from oodinv.models.layers import fir_upsample
from oodinv.models.stylegan2 import Generator, GeneratorConfig

CONFIG = FeatureStyleConfig(
    num_layers=8,
    style_dim=10,
    input_resolution=128,
    stem_width=4,
    widths=(4, 6, 8, 10),
    units=(1, 2, 1, 1),
    content_width=12,
)
GENERATOR = GeneratorConfig(resolution=32, channel_base=256, channel_max=12, style_dim=10, z_dim=10)


def encoder_of(config=CONFIG):
    torch.manual_seed(0)
    return shake(FeatureStyleEncoder(config))


def model_of(config=CONFIG):
    encoder = encoder_of(config)
    generator = Generator(GENERATOR)
    generator.latent_avg.normal_(generator=torch.Generator().manual_seed(3))
    return InversionModel(encoder, generator, None).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def crop():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def unit(x, weights, name, stride):
    y = norm(conv(norm(x, weights, f"{name}.body.0"), weights, f"{name}.body.1"), weights, f"{name}.body.2")
    y = norm(conv(prelu(y, weights, f"{name}.body.3"), weights, f"{name}.body.4", stride), weights, f"{name}.body.5")
    if stride == 2:
        x = norm(conv(x, weights, f"{name}.shortcut.0", 2), weights, f"{name}.shortcut.1")
    return x + y


def test_the_encoder_is_what_its_description_says():
    encoder = encoder_of()
    weights = encoder.state_dict()
    crop = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    encoding = encoder(crop)
    maps = trunk(halved(crop), weights, CONFIG.units, unit)
    features = torch.cat([pooled(m, 3) for m in maps[1:]], 1)
    assert features.shape == (2, 4 + 6 + 8 + 10, 3, 3)
    for row in range(8):
        weight = weights[f"heads.{row}.weight"].view(10, 28, 3, 3)
        expected = torch.einsum("bcyx,scyx->bs", features, weight) + weights[f"heads.{row}.bias"]
        torch.testing.assert_close(encoding.delta_w[:, row], expected, atol=1e-4, rtol=1e-4)
    assert encoding.feature_maps.keys() == CONFIG.map_channels.keys() == {128, 64, 32, 16}
    for ours, theirs in zip(encoding.feature_maps.values(), maps[:4], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    content = norm(conv(norm(maps[3], weights, "content.0"), weights, "content.1"), weights, "content.2")
    content = norm(conv(prelu(content, weights, "content.3"), weights, "content.4", 2), weights, "content.5")
    assert {r: m.shape for r, m in encoding.content.items()} == {8: (2, 12, 8, 8)}
    torch.testing.assert_close(encoding.content[8], content, atol=1e-4, rtol=1e-4)


def test_the_content_is_the_generators_map_from_its_resolution_on(crop):
    model = model_of()
    inversion = model.invert(crop, plain=True)
    content, w, generator = inversion.content[8], inversion.w_plus, model.generator
    quiet = {"noise": "fixed", "rng": None}
    # Below the content only the colours are the styles' own.
    x = generator.convs[0](generator.constant.expand(2, -1, -1, -1), w[:, 0], **quiet)
    rgb = generator.to_rgbs[0](x, w[:, 1])
    x = generator.convs[2](generator.convs[1](x, w[:, 1], **quiet), w[:, 2], **quiet)
    rgb, x = fir_upsample(rgb) + generator.to_rgbs[1](x, w[:, 3]), content
    for k in (2, 3):
        x = generator.convs[2 * k](generator.convs[2 * k - 1](x, w[:, 2 * k - 1], **quiet), w[:, 2 * k], **quiet)
        rgb = fir_upsample(rgb) + generator.to_rgbs[k](x, w[:, 2 * k + 1])
    torch.testing.assert_close(inversion.generated, rgb, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(inversion.plain, rgb, atol=1e-4, rtol=1e-4)
    assert (inversion.generated - generator.synthesise(w)).abs().max() > 0.05


def test_an_edit_keeps_the_content(crop):
    model = model_of()
    inversion = model.invert(crop)
    edited = model.edit(inversion, torch.ones(1, 8, 10))
    assert torch.equal(edited.content[8], inversion.content[8])
    expected = model.generator.synthesise(inversion.w_plus + 1, content=inversion.content)
    torch.testing.assert_close(edited.generated, expected)


def test_without_injection_the_picture_is_the_styles_alone(crop):
    model = model_of(replace(CONFIG, inject_content=False))
    inversion = model.invert(crop)
    assert inversion.content == {}
    assert torch.equal(inversion.generated, model.generator.synthesise(inversion.w_plus))
    with_content = model_of().invert(crop)
    assert torch.equal(inversion.w_plus, with_content.w_plus)
    assert not torch.equal(inversion.generated, with_content.generated)


def test_the_same_weights_serve_with_and_without_injection():
    without = FeatureStyleEncoder(replace(CONFIG, inject_content=False))
    without.load_state_dict(encoder_of().state_dict(), strict=True)


def test_two_crops_in_a_batch_equal_two_batches_of_one(crop):
    encoder = encoder_of()
    both = encoder(crop)
    for index in range(2):
        one = encoder(crop[index : index + 1])
        torch.testing.assert_close(one.delta_w[0], both.delta_w[index], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.content[8][0], both.content[8][index], atol=1e-4, rtol=1e-4)


def test_content_the_generator_cannot_take_is_refused():
    with pytest.raises(ValueError, match=r"content at 8 x 8 has 11 channels, the generator's map it replaces has 12"):
        model_of(replace(CONFIG, content_width=11))
    with pytest.raises(ValueError, match=r"content at 32 x 32, the generator takes it at one of \[4, 8, 16\]"):
        model_of(replace(CONFIG, input_resolution=512))


def test_content_that_is_not_injected_needs_to_fit_nothing(crop):
    model = model_of(replace(CONFIG, content_width=11, inject_content=False))
    assert torch.isfinite(model.invert(crop).generated).all()


def test_the_published_size_has_the_published_shapes():
    with torch.device("meta"):
        encoder = FeatureStyleEncoder(FeatureStyleConfig())
        encoding = encoder(torch.empty(1, 3, 1024, 1024))
    assert sum(t.numel() for t in encoder.state_dict().values()) == 113_959_440
    assert encoder.heads[0].weight.shape == (512, 8640)
    assert encoding.delta_w.shape == (1, 18, 512)
    maps = {256: (64, 256, 256), 128: (64, 128, 128), 64: (128, 64, 64), 32: (256, 32, 32)}
    assert {resolution: m.shape[1:] for resolution, m in encoding.feature_maps.items()} == maps
    assert encoder.config.map_channels == {resolution: shape[0] for resolution, shape in maps.items()}
    assert {resolution: m.shape[1:] for resolution, m in encoding.content.items()} == {16: (512, 16, 16)}
