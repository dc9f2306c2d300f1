"""Generators in NVlabs' pickles. Their source code is text here, whatever it says."""

import itertools
import os
import pickle
import random

import pytest
import torch
from published import fill, nvlabs_bytes, nvlabs_shapes
from published_forward import nvlabs_image, nvlabs_w


@pytest.fixture(scope="module")
def tensors():
    return fill(nvlabs_shapes(), seed=4)


@pytest.fixture
def write(tmp_path):
    number = itertools.count()

    def apply(raw):
        path = tmp_path / f"network-{next(number)}.pkl"
        path.write_bytes(raw)
        return path

    return apply


def test_an_imported_generator_draws_what_its_file_draws(imports, write, tensors, encoder_file, checkpoint, save):
    content = {k: v for k, v in checkpoint.items() if k != "latent_avg"}
    content["state_dict"] = {k: v for k, v in content["state_dict"].items() if k.startswith("encoder.")}
    generator = imports(write(nvlabs_bytes(tensors)), save(content)).model.generator
    ws = torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(generator.synthesise(ws), nvlabs_image(tensors, ws), atol=2e-4, rtol=2e-4)
    z = torch.randn(2, 20, generator=torch.Generator().manual_seed(6))
    torch.testing.assert_close(generator.mapping(z), nvlabs_w(tensors, z), atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(generator.latent_avg[0], tensors["mapping.w_avg"], rtol=0, atol=0)


def test_a_mirrored_up_convolution_would_be_seen(tensors):
    ws = torch.randn(1, 8, 24, generator=torch.Generator().manual_seed(5))
    mirrored = {k: v.flip(2, 3) if k.endswith("conv0.weight") else v for k, v in tensors.items()}
    assert (nvlabs_image(mirrored, ws) - nvlabs_image(tensors, ws)).abs().max() > 0.1


def test_the_source_in_a_pickle_is_not_run(imports, write, tensors, encoder_file, save, checkpoint, tmp_path):
    target = tmp_path / "written"
    source = f"open({str(target)!r}, 'w').write('x')"
    del checkpoint["latent_avg"]
    imports(write(nvlabs_bytes(tensors, source=source)), save(checkpoint), "--generator", write(nvlabs_bytes(tensors)))
    assert not target.exists()


class Calls:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "text"),
    [(os.system, r"names posix\.system, which is code and is never loaded"), (exec, r"names builtins\.exec")],
)
def test_code_beside_the_generator_is_refused_and_not_run(
    refuses, write, tensors, encoder_file, tmp_path, function, text
):
    target = tmp_path / "written"
    argument = f"touch {target}" if function is os.system else f"open({str(target)!r}, 'w')"
    refuses(write(nvlabs_bytes(tensors, extra={"augment_pipe": Calls(function, argument)})), encoder_file, text=text)
    refuses(write(pickle.dumps(Calls(function, argument))), encoder_file, text=text)
    assert not target.exists()


def test_a_pickle_of_tensorflow_says_how_to_convert_it(refuses, write, encoder_file):
    raw = b"(cdnnlib.tflib.network\nNetwork\n)\x81}bt."
    refuses(write(b"\x80\x02" + raw), encoder_file, text=r"TensorFlow version .* legacy\.py")


def test_a_stylegan3_generator_is_refused_by_name(refuses, write, encoder_file):
    tensors = {
        "mapping.w_avg": torch.zeros(24),
        "mapping.fc0.weight": torch.zeros(24, 20),
        "mapping.fc0.bias": torch.zeros(24),
        "synthesis.input.weight": torch.zeros(16, 16),
        "synthesis.L0_36_16.weight": torch.zeros(16, 16, 3, 3),
    }
    refuses(write(nvlabs_bytes(tensors)), encoder_file, text=r"StyleGAN3 \(alias-free\) generator")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.pop("synthesis.b16.conv1.bias"), r"missing: synthesis\.b16\.conv1\.bias \(12,\)"),
        (lambda t: t.update({"synthesis.b16.skip.weight": torch.zeros(1)}), r"unknown: synthesis\.b16\.skip\.weight"),
        (
            lambda t: t.update({"synthesis.b8.torgb.weight": torch.zeros(1, 16, 1, 1)}),
            r"must have shape \(3, 16, 1, 1\)",
        ),
        (lambda t: t.update({"mapping.embed.weight": torch.zeros(24, 5)}), "draws by class labels"),
        (lambda t: t["synthesis.b8.resample_filter"].zero_(), r"b8\.resample_filter must be the kernel"),
        (lambda t: t["mapping.fc1.bias"].fill_(float("nan")), r"mapping\.fc1\.bias holds NaN"),
        (lambda t: t.pop("synthesis.b4.const"), r"expected a StyleGAN2 generator, with synthesis\.b4\.const"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(refuses, write, tensors, encoder_file, change, text):
    changed = {k: v.clone() for k, v in tensors.items()}
    change(changed)
    refuses(write(nvlabs_bytes(changed)), encoder_file, text=text)


def test_a_truncated_pickle_is_refused(refuses, write, tensors, encoder_file):
    refuses(
        write(nvlabs_bytes(tensors)[:-100]),
        encoder_file,
        text="cannot be read as a NVlabs network: .* not a whole pickle",
    )


def test_modules_inside_each_other_without_end_are_refused():
    from oodinv.bundles.formats.nvlabs import read_generator
    from oodinv.bundles.formats.persistence import PickledModule
    from oodinv.bundles.spec import BundleError

    modules = {}
    module = PickledModule(class_name="Generator", state={"_modules": modules})
    modules["synthesis"] = module
    with pytest.raises(BundleError, match="nested more than"):
        read_generator(module, "file")


def test_no_damage_of_a_pickle_does_anything_but_be_refused(write, tensors):
    """Every changed byte gives either a generator, or this one error."""
    from oodinv.bundles.formats.files import read_checkpoint
    from oodinv.bundles.formats.recognise import recognise
    from oodinv.bundles.spec import BundleError

    raw, rng, refused = nvlabs_bytes(tensors), random.Random(0), 0
    for _ in range(150):
        changed = bytearray(raw)
        for _ in range(20):
            changed[rng.randrange(len(raw))] = rng.randrange(256)
        try:
            recognise(read_checkpoint(write(bytes(changed))), "improved")
        except BundleError:
            refused += 1
    assert refused > 50
