import re

import numpy as np
import pytest
from click.testing import CliRunner
from shard_runs import make_settings, rows_by_photo, run_shards

from flows.cli import main
from oodinv.imaging.decode import decode_photo


def oodinv(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(("name", "faces"), [("portrait.jpg", "1 face edited"), ("three.webp", "3 faces edited")])
def test_edit_writes_the_photo_with_all_its_faces_edited(small_photos, tiny_bundle, tmp_path, name, faces):
    out = tmp_path / "new" / "out.png"
    result = oodinv("edit", small_photos / name, "--edit", "smile=+2", "-o", out, "--bundle", tiny_bundle)
    assert result.exit_code == 0, result.output
    assert result.output == f"{out}: {faces}\n"
    before, after = decode_photo((small_photos / name).read_bytes()), decode_photo(out.read_bytes())
    assert before.shape == after.shape and (before != after).any()


def test_edit_gives_what_a_run_gives(small_photos, tiny_bundle, tmp_path):
    settings = make_settings(small_photos, tmp_path / "run", tiny_bundle, "smile=+2,yaw=-1")
    run_shards(settings)
    (row,) = rows_by_photo(settings, settings.products[0])["astronaut.png"]
    out = tmp_path / "out.png"
    oodinv("edit", small_photos / "astronaut.png", "--edit", "yaw=-1,smile=2", "-o", out, "--bundle", tiny_bundle)
    assert out.read_bytes() == (tmp_path / "run" / row["out_key"]).read_bytes()


def test_invert_writes_the_parts_of_every_face(small_photos, tiny_bundle, tmp_path):
    result = oodinv("invert", small_photos / "three.webp", "-o", tmp_path / "parts", "--bundle", tiny_bundle)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    parts = ("crop", "generated", "mask", "plain", "reconstruction")
    assert names == [f"{face}_{part}.png" for face in range(3) for part in parts]
    assert [line.rsplit("/", 1)[1] for line in sorted(result.output.split())] == names
    crop, mask, generated, reconstruction = (
        decode_photo((tmp_path / "parts" / f"0_{part}.png").read_bytes()).astype(float)
        for part in ("crop", "mask", "generated", "reconstruction")
    )
    blended = (mask * crop + (255 - mask) * generated) / 255
    clipped = (generated > 0) & (generated < 255)  # pictures are clamped when written
    assert np.abs(blended - reconstruction)[clipped].max() <= 2


@pytest.mark.parametrize(
    ("photo", "options", "text"),
    [
        ("table.jpg", {}, "no face was found in"),
        ("portrait.jpg", {"-o": "{tmp}/out.gif"}, "expected an output file ending in .jpg, .jpeg, .png, .webp"),
        ("portrait.jpg", {"-o": "{tmp}/file/out.png"}, "cannot be written"),
        ("portrait.jpg", {"--edit": "beard=1"}, "has no edit 'beard'"),
        ("portrait.jpg", {"--edit": "beard"}, "expected an edit like"),
        ("portrait.jpg", {"--bundle": "nonesuch"}, "no bundle 'nonesuch'"),
        ("page.jpg", {}, "expected a photo (JPEG, PNG, WEBP, BMP), got a file that starts with '<html>'"),
    ],
)
def test_a_mistake_ends_with_two_and_one_line(small_photos, tiny_bundle, tmp_path, photo, options, text):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "page.jpg").write_text("<html>")
    where = tmp_path if photo == "page.jpg" else small_photos
    given = {"--edit": "smile=+1", "-o": "{tmp}/out.png", "--bundle": str(tiny_bundle)} | options
    words = [word.format(tmp=tmp_path) for pair in given.items() for word in pair]
    result = oodinv("edit", where / photo, *words)
    assert result.exit_code == 2, result.output
    assert text in result.stderr and result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "page.jpg"]


def test_the_photo_itself_is_never_overwritten(small_photos, tiny_bundle, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes((small_photos / "portrait.jpg").read_bytes())
    (tmp_path / "link.jpg").symlink_to(photo)
    for out in (photo, tmp_path / "link.jpg"):
        result = oodinv("edit", photo, "--edit", "smile=1", "-o", out, "--bundle", tiny_bundle)
        assert result.exit_code == 2 and "is the photo itself" in result.stderr
    assert photo.read_bytes() == (small_photos / "portrait.jpg").read_bytes()


def test_bundles_are_listed_shown_and_verified(tiny_bundle, tmp_path):
    assert re.match(r"embedded  version \S+, \d+ px, improved, edits ", oodinv("bundle", "list").stdout)
    assert "licence Apache-2.0" in oodinv("bundle", "show", tiny_bundle).stdout
    assert "tiny 1 is whole: 4 files" in oodinv("bundle", "verify", tiny_bundle).stdout
    refused = oodinv("bundle", "verify", tmp_path)
    assert refused.exit_code == 2 and "no bundle" in refused.stderr


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    for command in ("status", "fsck"):
        result = oodinv("dataset", command, tmp_path)
        assert result.exit_code == 2 and "Traceback" not in result.output, result.output
        assert result.stderr.startswith("oodinv: ")
