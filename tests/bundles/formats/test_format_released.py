"""The released decomposition, alone and in a save of the whole model."""

from functools import partial

import pytest
import torch
from published import UNITS, decomposition_shapes, fill, released_shapes, restyle_shapes, write_released
from published_forward import pyramid, released_alignment, rosinality_image

LEVELS = [(6, 4), (12, 4), (16, 6)]
"""Fine to coarse: channels of the tiny generator at 32, 16, 8 pixels and of its encoder."""
CROP = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(7)) * 2 - 1
close = partial(torch.testing.assert_close, atol=2e-4, rtol=2e-4)


@pytest.fixture
def tensors(generator_tensors):
    """A released save: the decomposition and the stray style layers of the generator."""
    stray = {f"generator.{k}": v for k, v in generator_tensors.items() if "modulation" in k}
    return fill(decomposition_shapes(LEVELS), seed=5) | stray


@pytest.mark.parametrize("conv_bias", [False, True])
def test_every_level_predicts_what_its_file_predicts(imports, save, checkpoint, tensors, conv_bias):
    tensors |= fill(decomposition_shapes(LEVELS, conv_bias=conv_bias), seed=6)
    loaded = imports(save(checkpoint), save({"params": {}, "params_ema": tensors}), "--rounds", 1, setting="paper")
    decomposition = loaded.model.decomposition
    assert decomposition.config.levels == (8, 16, 32)
    assert decomposition.config.choices.conv_bias == conv_bias
    rng = torch.Generator().manual_seed(1)
    for k, (channels, encoder) in enumerate(LEVELS):
        size = 32 // 2**k
        generated = torch.randn(1, channels, size, size, generator=rng)
        encoded = torch.randn(1, encoder, size, size, generator=rng)
        level = decomposition.level(size)
        found = level(generated, level.guide(encoded, None), None)
        close(torch.cat([found.flow, found.mask], 1), released_alignment(tensors, k, generated, encoded))


def test_the_averaged_weights_are_taken(imports, save, checkpoint, tensors):
    trained = {k: v + 1 for k, v in tensors.items() if "kernel" not in k}
    loaded = imports(save(checkpoint), save({"params": trained, "params_ema": tensors}), setting="paper")
    project = loaded.model.decomposition.level(32).project_encoder.weight
    assert torch.equal(project, tensors["feats_conv.0.weight"])


def test_rounds_and_displacement_are_those_of_the_release_unless_told(imports, save, checkpoint, tensors):
    files = save(checkpoint), save({"params_ema": tensors})
    config = imports(*files, setting="paper").model.decomposition.config
    assert (config.num_iterations, config.max_displacement) == (2, 0.08)
    config = imports(*files, "--rounds", 3, "--displacement", 0.1, setting="paper").model.decomposition.config
    assert (config.num_iterations, config.max_displacement) == (3, 0.1)


def test_a_save_of_the_whole_model_is_one_file(imports, save, encoder_tensors, generator_tensors, tensors, average):
    whole = {
        **{f"encoder.{k}": v for k, v in encoder_tensors.items()},
        **{f"generator.{k}": v for k, v in generator_tensors.items()},
        **fill(decomposition_shapes(LEVELS), seed=5),
        "avg_latent": average[None],
        "delta_latent": torch.zeros(1, 8, 24),
    }
    assert {k: tuple(v.shape) for k, v in whole.items()} == released_shapes(
        *({k: tuple(v.shape) for k, v in part.items()} for part in (encoder_tensors, generator_tensors)), LEVELS
    )
    model = imports(save({"params_ema": whole}), setting="paper").model
    inversion = model.invert(CROP)
    w_plus = average + pyramid(encoder_tensors, CROP, UNITS, progressive=True, mode="bicubic")
    close(inversion.w_plus, w_plus)
    close(model.generator.synthesise(w_plus), rosinality_image(generator_tensors, w_plus))
    assert sorted(inversion.levels) == [8, 16, 32]


def test_a_whole_model_with_restyle_is_told_by_its_encoder(imports, save, generator_tensors, tensors, average):
    whole = {f"encoder.{k}": v for k, v in fill(restyle_shapes()).items()}
    whole |= {f"generator.{k}": v for k, v in generator_tensors.items()} | tensors | {"avg_latent": average[None]}
    config = imports(save({"params_ema": whole}), setting="paper").model.encoder.config
    assert config.num_passes == 5 and config.progressive


def test_the_three_files_of_a_released_model_make_one_bundle(imports, tmp_path, encoder_tensors, generator_tensors):
    shapes = released_shapes(
        *({k: tuple(v.shape) for k, v in part.items()} for part in (encoder_tensors, generator_tensors)), LEVELS
    )
    tensors = fill(shapes, seed=11)
    tensors["delta_latent"] = torch.zeros(1, 8, 24)
    write_released(tmp_path, lambda name, shape: None if name.endswith("kernel") else tensors[name].numpy(), shapes)
    files = [tmp_path / name for name in ("net_g.pth", "encoder.pt", "generator.pt")]
    model = imports(*files, setting="paper").model
    assert torch.equal(model.generator.latent_avg, tensors["avg_latent"])
    assert torch.equal(model.generator.constant, tensors["generator.input.input"])
    assert torch.equal(model.encoder.lateral_fine.bias, tensors["encoder.latlayer2.bias"])
    assert torch.equal(model.decomposition.level(8).project_encoder.bias, tensors["feats_conv.2.bias"])


def test_the_setting_must_be_the_released_one(refuses, save, checkpoint, tensors):
    refuses(save(checkpoint), save({"params_ema": tensors}), text="expected --setting paper, got improved")


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        (
            [(6, 4), (12, 4), (12, 6)],
            "level 2 .* 6 channels of an encoder and 12 of a generator, at 8 pixels .* 6 and .* 16",
        ),
        (
            [(6, 8), (12, 4), (16, 6)],
            "level 0 .* 8 channels of an encoder and 6 of a generator, at 32 pixels .* 4 and .* 6",
        ),
        ([(6, 4), (12, 4), (16, 6), (16, 8)], "level 3 .* at 4 pixels this encoder has 8 and this generator no layer"),
    ],
)
def test_a_decomposition_of_another_model_is_refused_with_both_numbers(refuses, save, checkpoint, levels, text):
    other = save({"params_ema": fill(decomposition_shapes(levels))})
    refuses(save(checkpoint), other, text=rf"file-0\.pt was made for another model: its {text}", setting="paper")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("modulation.1.alignment.body.body.0.res_layer.2.weight"), r"1 missing: modulation\.1\.align"),
        (lambda t: t.update({"modulation.0.extra.weight": torch.zeros(1)}), r"unknown: modulation\.0\.extra\.weight"),
        (lambda t: t.pop("feats_conv.1.bias"), r"missing: feats_conv\.1\.bias \(12,\)"),
        (lambda t: t["feats_conv.0.weight"].fill_(float("inf")), r"feats_conv\.0\.weight holds NaN or infinite"),
        (lambda t: t["modulation.2.alignment.blur.kernel"].mul_(4), r"blur\.kernel must be the kernel .* sum 1"),
        (lambda t: t.update({"generator.conv1.noise.weight": torch.zeros(1)}), "save of a part of the model"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(refuses, save, checkpoint, tensors, change, text):
    changed = {k: v.clone() for k, v in tensors.items()}
    change(changed)
    refuses(save(checkpoint), save({"params_ema": changed}), text=text, setting="paper")


@pytest.mark.parametrize(
    "words", [("--rounds", 0), ("--displacement", 0), ("--displacement", "nan"), ("--displacement", 3)]
)
def test_rounds_and_displacements_without_meaning_are_refused(refuses, save, checkpoint, tensors, words):
    files = save(checkpoint), save({"params_ema": tensors})
    refuses(*files, *words, text=r"at least one alignment round and a displacement in \(0, 2\]", setting="paper")


def test_rounds_without_a_decomposition_are_refused(refuses, save, checkpoint):
    refuses(save(checkpoint), "--rounds", 3, text="about a decomposition, and no file holds one")
