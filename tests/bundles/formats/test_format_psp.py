"""Checkpoints of the pSp framework: e4e, pSp, ReStyle."""

import argparse
from functools import partial

import pytest
import torch
from published import UNITS, fill, pyramid_shapes, restyle_shapes, under
from published_forward import halved, pyramid, restyle_codes, rosinality_image

close = partial(torch.testing.assert_close, atol=2e-4, rtol=2e-4)
CROP = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(7)) * 2 - 1
KINDS = [("Encoder4Editing", True), ("GradualStyleEncoder", False)]
RESTYLES = [("ProgressiveBackboneEncoder", True), ("BackboneEncoder", False)]


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
@pytest.mark.parametrize(("setting", "mode"), [("paper", "bicubic"), ("improved", "bilinear")])
def test_one_file_gives_encoder_generator_and_mean(
    imports, save, checkpoint, encoder_tensors, generator_tensors, average, kind, progressive, setting, mode
):
    checkpoint["opts"]["encoder_type"] = kind
    model = imports(save(checkpoint), setting=setting).model
    codes = pyramid(encoder_tensors, CROP, UNITS, progressive=progressive, mode=mode)
    inversion = model.invert(CROP)
    close(inversion.w_plus, codes + average)
    close(inversion.generated, rosinality_image(generator_tensors, codes + average))
    assert not inversion.ood_mask.any()
    assert "no file holds a decomposition: nothing will be aligned" in imports.said


@pytest.mark.parametrize("setting", ["paper", "improved"])
def test_the_setting_says_how_a_larger_crop_is_shrunk(imports, save, checkpoint, setting):
    encoder = imports(save(checkpoint), setting=setting).model.encoder
    assert encoder.config.antialias == (setting == "improved")


@pytest.mark.parametrize(("kind", "progressive"), KINDS)
def test_an_encoder_of_styles_becomes_one_of_offsets(
    imports, run, save, checkpoint, encoder_tensors, generator_tensors, kind, progressive
):
    del checkpoint["latent_avg"]
    checkpoint["opts"] |= {"encoder_type": kind, "start_from_latent_avg": False}
    generator = save({"g_ema": generator_tensors, "latent_avg": 5 + torch.arange(24.0)})
    model = imports(save(checkpoint), "--generator", generator).model
    close(model.invert(CROP).w_plus, pyramid(encoder_tensors, CROP, UNITS, progressive=progressive, mode="bilinear"))
    assert "subtracted from the biases" in run("show", imports.out).output


@pytest.mark.parametrize(("kind", "progressive"), RESTYLES)
def test_a_restyle_encoder_corrects_its_picture_pass_by_pass(
    imports, save, checkpoint, generator_tensors, average, kind, progressive
):
    tensors = fill(restyle_shapes(), seed=8)
    checkpoint["state_dict"] = under("encoder.", tensors) | under("decoder.", generator_tensors)
    checkpoint["opts"] = {"encoder_type": kind, "output_size": 32, "input_nc": 6, "n_iters_per_batch": 2}
    model = imports(save(checkpoint)).model
    first = rosinality_image(generator_tensors, average.repeat(1, 8, 1)).expand(2, -1, -1, -1)
    w_plus = average + restyle_codes(tensors, CROP, first, UNITS, progressive=progressive)
    second = rosinality_image(generator_tensors, w_plus)
    w_plus = w_plus + restyle_codes(tensors, CROP, second, UNITS, progressive=progressive)
    torch.testing.assert_close(model.invert(CROP).w_plus, w_plus, atol=2e-3, rtol=2e-3)


def test_restyle_makes_five_passes_where_the_options_do_not_say(imports, save, checkpoint, generator_tensors):
    checkpoint["state_dict"] = under("encoder.", fill(restyle_shapes())) | under("decoder.", generator_tensors)
    checkpoint["opts"] = {"encoder_type": "BackboneEncoder"}
    assert imports(save(checkpoint)).model.encoder.config.num_passes == 5


def test_options_as_a_namespace_and_training_leftovers_are_read(imports, save, checkpoint):
    checkpoint["opts"] = argparse.Namespace(**checkpoint["opts"])
    checkpoint |= {
        "global_step": 200_000,
        "optimizer": {"state": {}, "param_groups": []},
        "best_val_loss": 0.3,
        "discriminator_state_dict": {"mlp.0.weight": torch.zeros(2, 2)},
        "discriminator_optimizer_state_dict": {},
    }
    assert imports(save(checkpoint)).model.encoder.config.num_layers == 8


@pytest.mark.parametrize("shape", [(24,), (1, 24), (8, 24), (1, 8, 24)])
def test_the_mean_style_is_read_in_every_published_shape(imports, save, checkpoint, average, shape):
    checkpoint["latent_avg"] = average.expand(shape).clone()
    torch.testing.assert_close(imports(save(checkpoint)).model.generator.latent_avg, average[None], rtol=0, atol=0)


def test_refinements_of_hfgi_are_left_out_and_the_card_says_so(imports, run, save, checkpoint):
    checkpoint["state_dict"] |= {
        "residue.conv_layer1.0.weight": torch.zeros(3),
        "grid_align.conv.weight": torch.ones(2),
    }
    imports(save(checkpoint))
    assert "HFGI's refinement" in run("show", imports.out).output


def other_mean(content):
    content["latent_avg"] = content["latent_avg"].clone()
    content["latent_avg"][3, 5] += 0.01


def without(name):
    return lambda content: content["state_dict"].pop(name)


def having(name, *shape):
    return lambda content: content["state_dict"].update({name: torch.zeros(shape)})


def saying(**options):
    return lambda content: content["opts"].update(options)


def averaging(value):
    return lambda content: content.update(latent_avg=value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (other_mean, "must be the same style for every layer, its 8 rows differ"),
        (averaging(torch.zeros(8, 25)), r"latent_avg must be one style of 24 numbers, .* got \(8, 25\)"),
        (averaging("nothing"), "latent_avg must be one style of 24 numbers, .* got str"),
        (averaging(torch.full((24,), float("nan"))), "latent_avg holds NaN"),
        (lambda content: content.pop("opts"), "its opts must say encoder_type .* cannot be told"),
        (
            saying(encoder_type="WEncoder"),
            "encoder is a WEncoder: expected one of Encoder4Editing, GradualStyleEncoder",
        ),
        (saying(encoder_type="BackboneEncoder"), "reads images of 3 channels, a ReStyle .* expected 6"),
        (saying(stylegan_size=1024), "opts say stylegan_size 1024, which has 18 styles, its encoder gives 8"),
        (without("encoder.latlayer2.bias"), r"missing: latlayer2\.bias \(16,\)"),
        (without("encoder.body.3.res_layer.5.fc1.weight"), r"missing: body\.3\.res_layer\.5\.fc1\.weight"),
        (without("decoder.conv1.noise.weight"), r"decoder .* missing: conv1\.noise\.weight \(1,\)"),
        (having("encoder.extra", 1), "encoder .* unknown: extra"),
        (having("hypernet.weight", 1), r"got also \['hypernet\.weight'\]"),
        (having("encoder.input_layer.2.weight", 9), r"must have shape \(4,\), got \(9,\)"),
        (having("encoder.styles.3.convs.4.weight", 10, 10, 3, 3), "style heads of 1, then 2, then 3 convolutions"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(refuses, save, checkpoint, change, text):
    change(checkpoint)
    refuses(save(checkpoint), text=text)


def test_an_encoder_of_labels_is_refused(refuses, save, checkpoint):
    checkpoint["state_dict"] |= under("encoder.", fill(pyramid_shapes(num_in=19)))
    refuses(save(checkpoint), text=r"reads images of 19 channels \(labels or sketches\), expected photos")


def test_an_encoder_of_another_generator_is_refused_with_both_numbers(refuses, save, checkpoint, generator_tensors):
    checkpoint["state_dict"] = under("encoder.", fill(pyramid_shapes(num_styles=10)))
    checkpoint["opts"]["stylegan_size"] = 64
    text = (
        r"encoder file-0\.pt and generator file-1\.pt \(32 pixels\): the encoder gives 10 styles, the generator takes 8"
    )
    refuses(save(checkpoint), save({"g_ema": generator_tensors}), text=text)


def test_mean_styles_that_differ_between_files_are_refused(
    refuses, imports, save, encoder_file, generator_tensors, average
):
    near = save({"g_ema": generator_tensors, "latent_avg": average + 5e-4})
    loaded = imports(encoder_file, near)
    torch.testing.assert_close(loaded.model.generator.latent_avg[0], average, rtol=0, atol=0)
    far = save({"g_ema": generator_tensors, "latent_avg": average + 0.01})
    refuses(encoder_file, far, text=r"differ by 0\.01, expected at most 0\.001: .* two models")


def test_a_generator_without_mapping_can_be_imported_with_a_mean(imports, refuses, save, checkpoint, average):
    state = {k: v for k, v in checkpoint["state_dict"].items() if not k.startswith("decoder.style.")}
    loaded = imports(save(checkpoint | {"state_dict": state}))
    assert loaded.model.generator.config.num_mapping_layers == 0
    without = {k: v for k, v in checkpoint.items() if k != "latent_avg"} | {"state_dict": state}
    refuses(save(without), text="no mapping layers to compute it from")


def test_a_bundle_of_a_photo_twice_as_large_is_halved(imports, save, checkpoint, encoder_tensors, average):
    """The `paper` setting shrinks without a low-pass: at a factor of two its bilinear samples are means of 2 x 2."""
    encoder = imports(save(checkpoint), setting="paper").model.encoder
    crop = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(8)) * 2 - 1
    codes = pyramid(encoder_tensors, halved(crop), UNITS, progressive=True, mode="bicubic")
    close(encoder(crop).delta_w, codes)
