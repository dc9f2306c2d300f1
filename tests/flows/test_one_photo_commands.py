import re

import numpy as np
import pytest
from click.testing import CliRunner
from shard_runs import detector, make_settings, rows_by_photo, run_shards

from flows.cli import main
from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.engine.photo import edit_face, invert_face, put_back
from oodinv.faces.align import crop_transform
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.provenance import read_provenance


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
    ours, theirs = out.read_bytes(), (tmp_path / "run" / row["out_key"]).read_bytes()
    assert (decode_photo(ours) == decode_photo(theirs)).all()
    told, of_run = read_provenance(ours), read_provenance(theirs)
    assert told.bundle_sha256 == of_run.bundle_sha256 == row["bundle_sha256"]
    assert (told.product, told.fingerprint) == (row["edit"], "") and of_run.product == row["product"]


def test_a_sweep_writes_one_file_for_each_step(small_photos, tiny_bundle, tmp_path):
    photo, out = small_photos / "portrait.jpg", tmp_path / "new" / "OUT.png"
    result = oodinv("edit", photo, "--edit", "smile=-2:2:3,age=1", "-o", out, "--bundle", tiny_bundle)
    assert result.exit_code == 0, result.output
    names = [f"OUT_age_p1.00-smile_{step}.png" for step in ("m2.00", "p0.00", "p2.00")]
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(names)
    assert result.stdout == "".join(f"{out.parent / name}: 1 face edited\n" for name in names)
    assert result.stderr == ""
    oodinv("edit", photo, "--edit", "smile=2,age=1", "-o", out, "--bundle", tiny_bundle)
    assert out.read_bytes() == (out.parent / names[2]).read_bytes()
    assert len({(out.parent / name).read_bytes() for name in names}) == 3


def test_no_step_of_a_sweep_overwrites_the_photo(small_photos, tiny_bundle, tmp_path):
    photo = tmp_path / "photo_smile_p1.00.png"
    photo.write_bytes((small_photos / "portrait.jpg").read_bytes())
    result = oodinv("edit", photo, "--edit", "smile=0:1:2", "-o", tmp_path / "photo.png", "--bundle", tiny_bundle)
    assert result.exit_code == 2 and f"{photo} is the photo itself" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [photo.name]


def test_strengths_beyond_the_safe_range_are_done_and_said_once(small_photos, tiny_bundle, tmp_path):
    words = ["edit", small_photos / "three.webp", "-o", tmp_path / "out.png", "--bundle", tiny_bundle]
    result = oodinv(*words, "--edit", "smile=-3:5:9,age=2.5,yaw=2")
    assert result.exit_code == 0 and len(list(tmp_path.iterdir())) == 9
    assert result.stderr == (
        "oodinv: beyond the range bundle 'tiny' calls safe, so faces may come out damaged: age=+2.5 (safe from -2 to "
        "2), smile=-3 and +5 (safe from -2 to 2)\n"
    )
    assert oodinv(*words, "--edit", "smile=-2:2:2").stderr == ""


def test_the_composition_is_what_the_option_says_and_the_bundles_own_without_it(small_photos, tiny_bundle, tmp_path):
    made = {}
    for option in ((), ("--composition", "reuse"), ("--composition", "repredict"), ("--composition", "minimum")):
        out = tmp_path / f"{len(made)}.png"
        words = ["edit", small_photos / "portrait.jpg", "--edit", "smile=+2", "-o", out, "--bundle", tiny_bundle]
        assert oodinv(*words, *option).exit_code == 0
        made[option[-1] if option else None] = out.read_bytes()
    assert made[None] == made["reuse"] != made["repredict"]
    inverter = Inverter.from_bundle(str(tiny_bundle))
    photo = decode_photo((small_photos / "portrait.jpg").read_bytes())
    (face,) = detector().detect(photo)
    inverted = invert_face(inverter, photo, crop_transform(face, inverter.resolution))
    for composition in ("reuse", "repredict", "minimum"):
        edited = edit_face(inverter, inverted, [Edit("smile", 2.0)], composition)
        expected = put_back(photo, inverted.transform, edited)
        assert np.array_equal(decode_photo(made[composition]), expected)


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
        ("portrait.jpg", {"--edit": "smile=0:1:2,beard=1"}, "has no edit 'beard'"),
        ("portrait.jpg", {"--edit": "smile=0:1"}, "expected a sweep like smile=-2:2:5"),
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
    shown = oodinv("bundle", "show", tiny_bundle).stdout
    assert "licence Apache-2.0" in shown and "yaw: 1 = a random step; safe from -2 to 2; w 0:4\n" in shown
    assert "tiny 1 is whole: 4 files" in oodinv("bundle", "verify", tiny_bundle).stdout
    refused = oodinv("bundle", "verify", tmp_path)
    assert refused.exit_code == 2 and "no bundle" in refused.stderr


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    for command in ("status", "fsck"):
        result = oodinv("dataset", command, tmp_path)
        assert result.exit_code == 2 and "Traceback" not in result.output, result.output
        assert result.stderr.startswith("oodinv: ")
