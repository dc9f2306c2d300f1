"""Which file gives which part, what the bundle says of it, and how it appears."""

import json

import pytest
import torch
from published import decomposition_shapes, fill, identity_shapes, rosinality_shapes


def test_names_of_files_say_nothing(imports, save, checkpoint, encoder_file, generator_tensors):
    renamed = save({"g_ema": generator_tensors}, "net_g_latest.pth")
    encoder = encoder_file.rename(encoder_file.with_name("stylegan2-ffhq-config-f.pkl"))
    loaded = imports(renamed, encoder)
    assert "net_g_latest.pth: a StyleGAN2 generator (rosinality), gives generator" in imports.said
    assert "stylegan2-ffhq-config-f.pkl: an e4e checkpoint without generator, gives encoder" in imports.said
    assert torch.equal(loaded.model.generator.constant, generator_tensors["input.input"])


@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        ("encoder", r"a StyleGAN2 generator \(rosinality\), which gives generator"),
        ("decomposition", r"a StyleGAN2 generator \(rosinality\), which gives generator"),
        ("identity", r"a StyleGAN2 generator \(rosinality\), which gives generator"),
    ],
)
def test_a_flag_with_a_file_of_another_kind_says_what_it_is(refuses, save, checkpoint, generator_tensors, flag, kind):
    other = save({"g_ema": generator_tensors}, "other.pt")
    refuses(
        save(checkpoint), f"--{flag}", other, text=rf"--{flag} other\.pt: expected an? {flag}.*, the file is {kind}"
    )


def test_an_identity_network_is_no_generator(refuses, save, checkpoint):
    other = save(fill(identity_shapes()), "other.pt")
    text = r"--generator other\.pt: expected a generator, the file is an IR-SE identity network, which gives identity"
    refuses(save(checkpoint), "--generator", other, text=text)


def test_two_files_with_one_generator_are_fine_and_with_two_are_refused(
    imports, refuses, save, checkpoint, generator_tensors
):
    e4e = save(checkpoint, "e4e.pt")
    imports(e4e, save({"g_ema": generator_tensors}))
    other = fill(rosinality_shapes(), seed=99)
    tuned = save({"g_ema": other}, "tuned.pt")
    refuses(e4e, tuned, text=r"e4e\.pt and tuned\.pt hold different generators: .* --generator FILE")
    loaded = imports(e4e, "--generator", tuned)
    assert torch.equal(loaded.model.generator.constant, other["input.input"])
    loaded = imports("--encoder", e4e)
    assert torch.equal(loaded.model.generator.constant, generator_tensors["input.input"])


def test_the_bundle_says_where_everything_came_from(imports, run, save, checkpoint):
    from hashlib import sha256

    e4e = save(checkpoint, "e4e.pt")
    net_g = save({"params_ema": fill(decomposition_shapes([(6, 4), (12, 4), (16, 6)]))}, "net_g.pth")
    loaded = imports(e4e, net_g, "--name", "ours", "--licence", "MIT", setting="paper")
    spec = json.loads((imports.out / "bundle.json").read_text())
    assert (spec["name"], spec["licence"], spec["setting"]) == ("ours", "MIT", "paper")
    assert spec["provenance"].startswith(f"generator from e4e.pt (sha256 {sha256(e4e.read_bytes()).hexdigest()[:12]}…)")
    shown = run("show", imports.out).output
    assert (
        f"| decomposition | `net_g.pth` | a released decomposition (net_g) | `{sha256(net_g.read_bytes()).hexdigest()}`"
        in shown
    )
    assert "non-commercial" in shown and "MIT." in shown
    assert loaded.bundle.sha256 in imports.said
    assert {file.suffix for file in imports.out.iterdir()} == {".json", ".safetensors", ".md"}


def test_without_a_licence_the_bundle_reminds_of_the_files_own(imports, save, checkpoint):
    spec = imports(save(checkpoint)).bundle.spec
    assert spec.name == imports.out.name
    assert spec.licence == (
        "not stated; the licences of the imported files apply, and public weights trained on FFHQ or CelebA-HQ are for "
        "non-commercial use"
    )


def test_weights_are_stored_in_full_precision(imports, save, checkpoint):
    imports(save(checkpoint))
    header = (imports.out / "encoder.safetensors").read_bytes()[:20000]
    assert b'"F32"' in header and b'"F16"' not in header


def test_a_folder_with_something_in_it_is_left_alone(run, save, checkpoint, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    result = run("import", save(checkpoint), "--setting", "improved", "--out", out)
    assert result.exit_code == 2 and "exists already: expected a new or empty folder" in result.stderr
    assert [file.name for file in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    assert run("import", save(checkpoint), "--setting", "improved", "--out", out).exit_code == 0


def test_a_place_that_cannot_be_written_is_told(run, save, checkpoint, tmp_path):
    (tmp_path / "file").touch()
    result = run("import", save(checkpoint), "--setting", "improved", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2 and "cannot be written" in result.stderr


def test_no_file_no_setting_and_bad_names_are_the_users_mistakes(run, save, checkpoint, tmp_path):
    out = tmp_path / "out"
    assert "name at least one file" in run("import", "--setting", "paper", "--out", out).output
    assert "--setting" in run("import", save(checkpoint), "--out", out).output
    for words in (("--direction", "smile"), ("--direction", "a=x", "--direction", "a=y")):
        result = run("import", save(checkpoint), "--setting", "paper", "--out", out, *words)
        assert result.exit_code == 2 and "--direction takes NAME=TEXT, every name once" in result.output


def test_the_bundle_edits_photos(imports, save, checkpoint, small_photos, tmp_path):
    """From a checkpoint to an edited photo, through the commands a user has."""
    from click.testing import CliRunner
    from PIL import Image

    from flows.cli import main

    torch.save(torch.randn(1, 24, generator=torch.Generator().manual_seed(1)), tmp_path / "smile.pt")
    imports(save(checkpoint), "--direction", f"smile={tmp_path / 'smile.pt'}")
    photo = next(path for path in sorted(small_photos.iterdir()) if path.suffix == ".jpg")
    words = ["edit", str(photo), "--edit", "smile=+1", "-o", str(tmp_path / "out.png"), "--bundle", str(imports.out)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with Image.open(photo) as before, Image.open(tmp_path / "out.png") as after:
        assert before.size == after.size
