"""What is no checkpoint, or wants code, is told for what it is and leaves nothing behind."""

import builtins
import os
import zipfile

import pytest
import torch
from published import rosinality_shapes

HTML = "<!DOCTYPE html>\n<html><head><title>Google Drive - Virus scan warning</title></head></html>"


@pytest.fixture
def write(tmp_path):
    def apply(raw, name="weights.pt"):
        path = tmp_path / name
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return path

    return apply


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", r"weights\.pt is empty: download it again"),
        (HTML, "is a web page, not a checkpoint: the download failed"),
        ("  \n" + HTML.lower(), "is a web page"),
        ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
            "is a git-lfs pointer, .* `git lfs pull`",
        ),
        ("just text", r"is not a checkpoint: expected what torch\.save wrote .* begins with b'just text'"),
        (b"\x93NUMPY\x01\x00v\x00", "is a numpy array, not a network: a direction is passed as --direction NAME=FILE"),
        (b"PK\x03\x04" + bytes(200), "truncated, damaged or another kind of archive"),
    ],
)
def test_what_is_no_checkpoint_is_told(refuses, write, raw, text):
    refuses(write(raw), text=text)


def test_a_missing_file_and_a_folder_are_told(refuses, run, tmp_path):
    refuses(tmp_path / "nothing.pt", text="nothing.pt cannot be read: No such file or directory; check the spelling")
    result = run("import", tmp_path, "--setting", "paper", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "is a directory" in result.output


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("new", [True, False])
def test_a_truncated_checkpoint_is_told(refuses, checkpoint, tmp_path, part, new):
    path = tmp_path / "whole.pt"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    refuses(path, text="truncated, damaged or another kind of archive")


def test_a_zip_of_several_files_is_told(refuses, checkpoint, save, tmp_path):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(save(checkpoint), "e4e_ffhq_encode.pt")
        archive.writestr("readme.txt", "unpack me")
    refuses(path, text="another kind of archive .* unpack it")


class Calls:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, r"posix\.system"), (builtins.exec, r"builtins\.exec"), (builtins.eval, r"builtins\.eval")],
)
def test_a_checkpoint_that_calls_something_is_refused_and_not_run(refuses, checkpoint, tmp_path, function, name, new):
    target = tmp_path / "written"
    argument = f"touch {target}" if function is os.system else f"open({str(target)!r}, 'w')"
    checkpoint["extra"] = Calls(function, argument)
    torch.save(checkpoint, tmp_path / "hostile.pt", _use_new_zipfile_serialization=new)
    refuses(tmp_path / "hostile.pt", text=rf"hostile\.pt names {name}, which is code and is never loaded.* hostile")
    assert not target.exists()


def test_a_whole_pickled_module_is_asked_to_be_a_state_dict(refuses, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    text = r"names torch\.nn\.modules\.linear\.Linear.* whole Python object .* torch\.save\(module\.state_dict\(\)"
    refuses(tmp_path / "model.pt", text=text)


def test_a_torchscript_archive_is_told(refuses, tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "traced.pt")
    refuses(tmp_path / "traced.pt", text="is a TorchScript archive, which is code")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (torch.zeros(1, 512), r"is a direction, not a network: pass it as --direction NAME=FILE"),
        ({"comp": torch.zeros(80, 1, 512), "mean": torch.zeros(1, 512), "std": torch.zeros(80)}, "is a direction"),
        ({"state_dict": {"hypernet.refinement_blocks.0.weight": torch.zeros(2)}}, "a HyperStyle network"),
        ({"state_dict": {"mapper.course_mapping.0.weight": torch.zeros(2)}, "opts": {}}, "a StyleCLIP mapper"),
        ({"params": {"final_linear.0.weight": torch.zeros(2)}}, "a discriminator, which no inversion needs"),
        ({"d": {"final_conv.0.weight": torch.zeros(2)}}, "a discriminator"),
        ({"layer1.0.bn1.weight": torch.zeros(2)}, r"a plain ArcFace backbone .* model_ir_se50\.pth"),
        ({"input_layer.0.weight": torch.zeros(2), "body.0.res_layer.0.weight": torch.zeros(2)}, "other than IR-SE"),
        ({"generator_smooth.x": torch.zeros(2)}, "a StyleRes network"),
        ({"a": torch.zeros(2), "b": torch.zeros(1)}, "none of the known layouts: .* it holds 'a', 'b'"),
        ({"epoch": 3, "lr": 0.1}, "none of the known layouts: .* it holds 'epoch', 'lr'"),
        ({}, "none of the known layouts: .* it holds nothing"),
        ([torch.zeros(2)], "none of the known layouts: .* it holds 'list'"),
        ({7: torch.zeros(2)}, "none of the known layouts: .* it holds '7'"),
    ],
)
def test_other_networks_are_named(refuses, save, content, text):
    refuses(
        save(content, "other.pt"), text=f"other.pt is {'' if text.startswith('is') else '.*'}{text.removeprefix('is ')}"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            torch.zeros(1, 16, 16, 3, 3).to_sparse(),
            r"must hold floating point numbers, got torch\.float32 \(torch\.sparse",
        ),
        (torch.zeros(1, 16, 16, 3, 3, device="meta"), r"must hold floating point numbers, .* meta"),
        (
            torch.zeros(1, 16, 16, 3, 3, dtype=torch.complex64),
            r"must hold floating point numbers, got torch\.complex64",
        ),
    ],
)
def test_tensors_that_are_not_what_they_seem_are_refused(refuses, save, generator_tensors, encoder_file, value, text):
    tensors = generator_tensors | {"conv1.conv.weight": value}
    refuses(save({"g_ema": tensors}), encoder_file, text=text)


def test_a_state_dict_of_other_things_is_refused(refuses, save, checkpoint):
    checkpoint["state_dict"]["encoder.version"] = "3"
    refuses(save(checkpoint), text=r"must hold tensors only, 'encoder\.version' is none")


def test_weights_that_only_pretend_to_be_large_are_refused(refuses, save, encoder_file):
    """One stored number, seen as many: checking or storing them would take memory the file does not have."""
    shapes = rosinality_shapes({4: 2000, 8: 2000})
    tensors = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items() if "kernel" not in name}
    refuses(
        save({"g_ema": tensors}),
        encoder_file,
        text=r"conv1\.conv\.weight has shape .* the file stores 1 numbers for it",
    )
