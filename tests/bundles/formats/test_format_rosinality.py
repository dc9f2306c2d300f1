"""Generators in rosinality's layout."""

import argparse
from functools import partial

import pytest
import torch
from published import KERNEL, fill, rosinality_shapes
from published_forward import rosinality_image, rosinality_w

close = partial(torch.testing.assert_close, atol=2e-4, rtol=2e-4)


@pytest.fixture
def file(save, generator_tensors, average):
    return save({"g_ema": generator_tensors, "latent_avg": average})


def test_an_imported_generator_draws_what_its_file_draws(imports, file, encoder_file, generator_tensors, average):
    generator = imports(file, encoder_file).model.generator
    w_plus = torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(5))
    close(generator.synthesise(w_plus), rosinality_image(generator_tensors, w_plus))
    z = torch.randn(3, 20, generator=torch.Generator().manual_seed(6))
    close(generator.mapping(z), rosinality_w(generator_tensors, z))
    torch.testing.assert_close(generator.latent_avg, average[None], rtol=0, atol=0)
    config = generator.config
    assert (config.resolution, config.style_dim, config.z_dim, config.num_mapping_layers) == (32, 24, 20, 2)
    assert [config.channels(r) for r in config.resolutions] == [16, 16, 12, 6]


def test_what_training_saves_besides_does_not_matter(imports, save, generator_tensors, average, encoder_file):
    content = {
        "g": fill(rosinality_shapes(), seed=9),
        "d": {"final_linear.0.weight": torch.zeros(3, 3)},
        "g_ema": generator_tensors,
        "g_optim": {"state": {0: {"step": 1, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002}]},
        "d_optim": {"state": {}, "param_groups": []},
        "args": argparse.Namespace(size=32, channel_multiplier=2),
        "ada_aug_p": 0.5,
        "latent_avg": average,
    }
    generator = imports(save(content), encoder_file).model.generator
    torch.testing.assert_close(generator.constant, generator_tensors["input.input"], rtol=0, atol=0)


def test_without_average_weights_the_trained_ones_are_taken_and_the_card_says_so(
    imports, run, save, generator_tensors, average, encoder_file
):
    imports(save({"g": generator_tensors, "latent_avg": average}), encoder_file)
    assert "not its average over training" in run("show", imports.out).output


def test_a_missing_mean_style_is_computed_from_ten_thousand_latents_of_a_fixed_seed(
    imports, run, save, generator_tensors, checkpoint, encoder_tensors
):
    del checkpoint["latent_avg"]
    checkpoint["state_dict"] = {f"encoder.{k}": v for k, v in encoder_tensors.items()}
    loaded = imports(save({"g_ema": generator_tensors}), save(checkpoint))
    z = torch.randn(10_000, 20, generator=torch.Generator().manual_seed(0))
    close(loaded.model.generator.latent_avg[0], rosinality_w(generator_tensors, z).mean(0))
    assert "no file holds latent_avg: it is computed as the mean of 10000 mapped latents" in imports.said
    assert "mean of 10000 mapped latents" in run("show", imports.out).output


def test_a_bare_state_dict_and_the_old_file_format_are_read(imports, save, generator_tensors, encoder_file, tmp_path):
    bare = imports(save(generator_tensors), encoder_file).model.generator
    torch.save({"g_ema": generator_tensors}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    old = imports(tmp_path / "old.pt", encoder_file).model.generator
    assert all(torch.equal(a, b) for a, b in zip(bare.state_dict().values(), old.state_dict().values(), strict=True))


def test_half_precision_is_stored_as_what_it_is(imports, save, generator_tensors, encoder_file):
    half = {k: v.half() for k, v in generator_tensors.items()}
    generator = imports(save({"g_ema": half}), encoder_file).model.generator
    torch.testing.assert_close(generator.constant, half["input.input"].float(), rtol=0, atol=0)


def test_missing_noise_images_are_drawn_and_the_card_says_so(imports, run, save, generator_tensors, encoder_file):
    without = {k: v for k, v in generator_tensors.items() if not k.startswith("noises.")}
    first = imports(save({"g_ema": without}), encoder_file).model.generator.convs[3].noise
    assert first.std() > 0.5
    assert "no noise images for 7 layers" in run("show", imports.out).output
    assert torch.equal(first, imports(save({"g_ema": without}), encoder_file).model.generator.convs[3].noise)


@pytest.mark.parametrize("sizes", [{4: 8, 8: 8}, {4: 8, 8: 8, 16: 8}, {4: 9, 8: 9, 16: 9, 32: 4}])
def test_size_and_widths_follow_from_the_weights(sizes, generator_tensors):
    from oodinv.bundles.formats.rosinality import read_generator

    tensors = fill(rosinality_shapes(sizes, style_dim=6, z_dim=6, num_mapping=1))
    config = read_generator(tensors, "file").config
    assert {r: config.channels(r) for r in config.resolutions} == sizes


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("convs.3.activate.bias"), r"1 missing: convs\.3\.activate\.bias \(12,\)"),
        (lambda t: t.update({"convs.9.extra": torch.zeros(1)}), r"1 unknown: convs\.9\.extra"),
        (lambda t: t.update({"convs.3.activate.bias": torch.zeros(13)}), r"must have shape \(12,\), got \(13,\)"),
        (lambda t: t.update({"to_rgbs.1.bias": torch.zeros(1, 4, 1, 1)}), r"must have shape \(1, 3, 1, 1\), got"),
        (lambda t: t.pop("conv1.conv.modulation.weight"), r"missing conv1\.conv\.modulation\.weight"),
        (lambda t: t.update({"conv1.conv.weight": torch.zeros(3)}), r"must have 5 axes, got shape \(3,\)"),
        (lambda t: t["style.1.weight"].view(-1)[7:8].fill_(float("nan")), r"style\.1\.weight holds NaN or infinite"),
        (lambda t: t["input.input"].view(-1)[0:1].fill_(float("inf")), r"input\.input holds NaN or infinite"),
        (lambda t: t.update({"input.input": torch.ones(1, 16, 4, 4, dtype=torch.int64)}), "must hold floating point"),
        (
            lambda t: t["convs.2.conv.blur.kernel"].mul_(2),
            r"convs\.2\.conv\.blur\.kernel must be the kernel \[1, 3, 3, 1\]",
        ),
        (
            lambda t: t.update({"to_rgbs.0.upsample.kernel": torch.ones(2, 2)}),
            r"kernel \[1, 3, 3, 1\] .* got shape \(2, 2\)",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_refused(refuses, save, generator_tensors, encoder_file, change, text):
    tensors = {k: v.clone() for k, v in generator_tensors.items()}
    change(tensors)
    refuses(save({"g_ema": tensors}), encoder_file, text=text)


def test_widths_no_config_has_are_refused(refuses, save, encoder_file):
    tensors = fill(rosinality_shapes({4: 16, 8: 12, 16: 16, 32: 6}))
    refuses(save({"g_ema": tensors}), encoder_file, text="4: 16, 8: 12, 16: 16, 32: 6 channels by resolution")


def test_a_generator_alone_makes_no_bundle(refuses, file):
    refuses(file, text=r"no file holds an encoder: a bundle needs .* Add --encoder FILE")


def test_kernels_are_those_of_the_layout():
    assert float(KERNEL.sum()) == pytest.approx(1)
