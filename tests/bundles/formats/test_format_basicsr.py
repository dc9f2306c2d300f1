"""Generators in BasicSR's layout."""

import pytest
import torch
from published import basicsr_name, basicsr_shapes, fill
from published_forward import rosinality_image, rosinality_w


@pytest.fixture
def tensors(generator_tensors):
    """The tiny generator's numbers under BasicSR's names, which are the same numbers."""
    renamed = {basicsr_name(name): tensor for name, tensor in generator_tensors.items()}
    renamed.pop(None)
    return renamed


def test_the_layout_has_its_publishers_names():
    names = set(basicsr_shapes())
    assert {
        "style_mlp.1.weight", "constant_input.weight", "style_conv1.weight", "style_conv1.activate.bias",
        "style_conv1.modulated_conv.weight", "style_conv1.modulated_conv.modulation.bias", "to_rgb1.bias",
        "to_rgb1.modulated_conv.weight", "style_convs.5.weight", "to_rgbs.2.modulated_conv.modulation.weight",
        "noises.noise6",
    } <= names  # fmt: skip


def test_an_imported_generator_draws_what_its_file_draws(imports, save, tensors, generator_tensors, encoder_file):
    content = {"params_ema": tensors, "params": fill(basicsr_shapes(), seed=9)}
    generator = imports(save(content), encoder_file).model.generator
    w_plus = torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(5))
    image = rosinality_image(generator_tensors, w_plus)
    torch.testing.assert_close(generator.synthesise(w_plus), image, atol=2e-4, rtol=2e-4)
    z = torch.randn(2, 20, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(generator.mapping(z), rosinality_w(generator_tensors, z), atol=2e-4, rtol=2e-4)


def test_a_clean_generator_of_gfpgan_is_told_apart(refuses, save, tensors, encoder_file):
    tensors["style_conv1.bias"] = tensors.pop("style_conv1.activate.bias").view(1, -1, 1, 1)
    refuses(save({"params_ema": tensors}), encoder_file, text="clean generators .* not StyleGAN2")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("style_convs.2.weight"), r"missing: style_convs\.2\.weight \(1,\)"),
        (lambda t: t.update({"stray": torch.zeros(1)}), "1 unknown: stray"),
        (
            lambda t: t.update({"to_rgb1.bias": torch.zeros(3)}),
            r"to_rgb1\.bias must have shape \(1, 3, 1, 1\), got \(3,\)",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_refused(refuses, save, tensors, encoder_file, change, text):
    change(tensors)
    refuses(save({"params_ema": tensors}), encoder_file, text=text)


def test_a_gfpgan_network_is_named(refuses, save, tensors, encoder_file):
    content = {"params_ema": {f"stylegan_decoder.{name}": tensor for name, tensor in tensors.items()}}
    refuses(save(content), encoder_file, text="a GFPGAN restoration network")
