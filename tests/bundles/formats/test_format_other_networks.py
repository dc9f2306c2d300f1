"""Feature-Style encoders and the identity network."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from published import UNITS, featurestyle_shapes, fill, identity_shapes
from published_forward import featurestyle, identity

from oodinv.models.identity import crop_face

close = partial(torch.testing.assert_close, atol=2e-4, rtol=2e-4)


@pytest.fixture(scope="module")
def style_tensors():
    return fill(featurestyle_shapes(), seed=12)


@pytest.fixture(scope="module")
def identity_tensors():
    return fill(identity_shapes(side=2), seed=13)


@pytest.fixture
def generator_file(save, generator_tensors, average):
    return save({"g_ema": generator_tensors, "latent_avg": average})


@pytest.mark.parametrize("setting", ["paper", "improved"])
def test_a_feature_style_encoder_gives_what_its_file_gives(imports, save, style_tensors, generator_file, setting):
    model = imports("--encoder", save(style_tensors), "--generator", generator_file, setting=setting).model
    crop = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    styles, content = featurestyle(style_tensors, crop, UNITS)
    encoding = model.encoder(crop)
    close(encoding.delta_w, styles)
    assert list(encoding.content) == ([16] if setting == "improved" else [])
    if setting == "improved":
        scale = content.abs().max()
        close(encoding.content[16] / scale, content / scale)


def test_content_of_another_generator_is_refused(refuses, save, generator_file):
    tensors = fill(featurestyle_shapes(content=10))
    refuses(save(tensors), generator_file, text=r"content at 16 x 16 has 10 channels, the generator's .* has 12")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("block_2.1.bn2.running_var"), r"missing: block_2\.1\.bn2\.running_var \(6,\)"),
        (lambda t: t.update({"fc.weight": torch.zeros(2, 2)}), r"unknown: fc\.weight"),
        (lambda t: t.update({"styles.3.weight": torch.zeros(24, 7)}), r"styles\.3\.weight must have shape \(24, 306\)"),
        (lambda t: t["styles.0.bias"].fill_(float("nan")), r"styles\.0\.bias holds NaN"),
    ],
)
def test_a_feature_style_file_that_is_not_whole_is_refused(refuses, save, style_tensors, generator_file, change, text):
    changed = {k: v.clone() for k, v in style_tensors.items()}
    change(changed)
    refuses(save(changed), generator_file, text=text)


def test_an_identity_network_gives_what_its_file_gives(imports, run, save, checkpoint, identity_tensors):
    loaded = imports(save(checkpoint), "--identity", save(identity_tensors))
    assert loaded.identity.config.input_resolution == 32
    image = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1
    face = F.adaptive_avg_pool2d(crop_face(image), 32)
    close(loaded.identity.embed(image), identity(identity_tensors, face, UNITS))
    assert "identity network, 32 px" in run("show", imports.out).output


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("output_layer.4.bias"), r"missing: output_layer\.4\.bias \(12,\)"),
        (
            lambda t: t.update({"output_layer.3.weight": torch.zeros(12, 48)}),
            "last map of 16 channels is square, got .* 48",
        ),
        (lambda t: t.pop("body.1.shortcut_layer.0.weight"), "four stages, .* got 5 units in 3 stages"),
        (lambda t: t.update({"extra": torch.zeros(1)}), "unknown: extra"),
    ],
)
def test_an_identity_file_that_is_not_whole_is_refused(refuses, save, checkpoint, identity_tensors, change, text):
    changed = {k: v.clone() for k, v in identity_tensors.items()}
    change(changed)
    refuses(save(checkpoint), save(changed), text=text)
