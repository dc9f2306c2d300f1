import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save

from oodinv.bundles.bundle import find_bundle, load_bundle
from oodinv.bundles.describe import describe_bundle
from oodinv.bundles.spec import BundleError


def refuses(folder, text):
    with pytest.raises(BundleError, match=text):
        load_bundle(str(folder))


def test_a_changed_byte_is_told_by_its_hash(bundle):
    path = bundle / "encoder.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refuses(bundle, r"tiny: encoder\.safetensors has sha256 .*bundle\.json says .*fetch the bundle again")


def test_a_file_cut_off_is_told_by_its_hash(bundle):
    path = bundle / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refuses(bundle, r"generator\.safetensors has sha256 .*cut off")


def test_a_missing_file_is_named(bundle):
    (bundle / "directions.safetensors").unlink()
    refuses(bundle, r"directions\.safetensors is missing: fetch the bundle again")


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 as torch.save writes", b"\x80\x04}.", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}" * 3],
    ids=["empty", "zip", "pickle", "noise", "trailing bytes"],
)
def test_what_is_not_safetensors_is_refused_even_with_the_right_hash(bundle, put, data):
    put("encoder", data)
    refuses(bundle, r"encoder\.safetensors is not a safetensors file|of another network")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(bundle, put, value):
    tensors = load_file(bundle / "decomposition.safetensors")
    name = next(iter(sorted(tensors)))
    tensors[name].view(-1)[0] = value
    put("decomposition", save(tensors))
    refuses(bundle, f"holds NaN or infinite numbers in {name!r}")


def test_a_weight_of_another_shape_is_named_with_both_shapes(bundle, put):
    tensors = load_file(bundle / "generator.safetensors")
    tensors["constant"] = torch.zeros(1, 7, 4, 4)
    put("generator", save(tensors))
    refuses(bundle, r"constant must have shape \(1, 16, 4, 4\), got \(1, 7, 4, 4\)")


def test_a_missing_and_an_unknown_weight_are_named(bundle, put):
    tensors = load_file(bundle / "generator.safetensors")
    tensors["konstant"] = tensors.pop("constant")
    put("generator", save(tensors))
    refuses(bundle, r"of another network: missing \['constant'\], unknown \['konstant'\]")


def test_weights_that_are_no_floating_point_numbers_are_refused(bundle, put):
    tensors = load_file(bundle / "generator.safetensors")
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    arrays["constant"] = np.ones((1, 16, 4, 4), np.int64)
    put("generator", save_arrays(arrays))
    refuses(bundle, "must hold floating point numbers, 'constant' is torch.int64")


def test_weights_in_eight_bits_are_read(bundle, put):
    tensors = load_file(bundle / "generator.safetensors")
    tensors["constant"] = tensors["constant"].to(torch.float8_e4m3fn)
    put("generator", save(tensors))
    assert torch.equal(load_bundle(str(bundle)).model.generator.constant, tensors["constant"].float())


def test_an_edit_without_direction_is_refused(bundle, put):
    put("directions", save({"smile": torch.zeros(24), "age": torch.zeros(24)}))
    refuses(bundle, r"direction 'yaw' must have shape \(24,\), got None")


def test_a_direction_of_another_length_is_refused(bundle, put):
    put("directions", save({name: torch.zeros(25) for name in ("smile", "age", "yaw")}))
    refuses(bundle, r"direction '\w+' must have shape \(24,\), got \(25,\)")


@pytest.mark.parametrize("layers", [[0, 9], [-3, -1], [4, 4], [6, 2]])
def test_an_edit_of_layers_the_generator_does_not_have_is_refused(bundle, change, layers):
    change(lambda content: content["directions"]["edits"]["smile"].update(layers=layers))
    refuses(bundle, r"edit 'smile' moves layers .* the generator has 0 to 8")


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "a\nb"])
def test_a_file_name_that_leaves_the_folder_is_refused(bundle, change, name):
    change(lambda content: content["encoder"].update(file=name))
    refuses(bundle, r"encoder\.file: .*a plain name beside bundle.json")


@pytest.mark.parametrize("name", ["../../../../../../etc/passwd", "/etc/passwd", ".."])
def test_a_model_card_outside_the_folder_is_refused(bundle, change, name):
    change(lambda content: content.update(card=name))
    with pytest.raises(BundleError, match=r"card: .*a plain name beside bundle\.json"):
        describe_bundle(str(bundle))


def test_a_link_that_leads_out_of_the_folder_is_still_held_to_its_hash(bundle):
    (bundle / "encoder.safetensors").unlink()
    (bundle / "encoder.safetensors").symlink_to("/etc/passwd")
    refuses(bundle, r"encoder\.safetensors has sha256")


def test_an_unknown_field_is_named(bundle, change):
    change(lambda content: content["decomposition"].update(smoothness=3))
    refuses(bundle, "bundle.json is not valid: decomposition.smoothness: Extra inputs")


def test_a_missing_field_is_named(bundle, change):
    change(lambda content: content.pop("licence"))
    refuses(bundle, "bundle.json is not valid: licence: Field required")


@pytest.mark.parametrize("number", [2, 0, "1", None])
def test_another_format_is_refused(bundle, change, number):
    change(lambda content: content.update(format=number))
    refuses(bundle, f"must have format 1, got {number!r}: it was made by another version")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff"], ids=repr)
def test_a_damaged_spec_is_refused(bundle, text):
    (bundle / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refuses(bundle, "bundle.json (is not JSON|must have format 1)")


@pytest.mark.parametrize(
    ("part", "field", "value", "text"),
    [
        (None, "resolution", 48, "power of two"),
        (None, "resolution", -32, "power of two"),
        ("decomposition", "levels", [16, 8], "coarse to fine"),
        ("decomposition", "levels", [5], r"no feature maps to compare at \[5\]: levels may be among \[8, 16, 32\]"),
        ("decomposition", "levels", [4, 8], "no feature maps to compare at"),
        ("decomposition", "levels", [], "levels"),
        ("decomposition", "num_iterations", 0, "num_iterations"),
        ("encoder", "input_resolution", 48, "input_resolution"),
        ("decomposition", "max_displacement", 0, "max_displacement"),
        ("generator", "style_dim", 0, "style_dim"),
        ("generator", "channel_max", -1, "channel_max"),
        ("encoder", "units", [0, 1, 1, 1], "units"),
    ],
)
def test_a_shape_the_architecture_cannot_have_is_refused(bundle, change, part, field, value, text):
    change(lambda content: (content if part is None else content[part]).update({field: value}))
    refuses(bundle, text)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(BundleError, match=r"no bundle 'nothing-here': expected one of \['embedded'.*or a folder"):
        find_bundle("nothing-here")
    with pytest.raises(BundleError, match="no bundle"):
        find_bundle(str(tmp_path))
