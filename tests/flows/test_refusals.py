"""What `oodinv` refuses before anything is started: the exit code, the words, and no trace in the target."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from flows.cli import main


@pytest.fixture
def source(small_photos, tmp_path):
    return shutil.copytree(small_photos, tmp_path / "photos")


@pytest.fixture
def run(source, tiny_bundle, tmp_path):
    """`oodinv augment` on the photos; options replace the defaults, None leaves one out."""

    def augment(*flags, **options):
        given = {"source": source, "target": tmp_path / "out", "edit": "smile=+1", "bundle": tiny_bundle} | options
        words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
        return CliRunner().invoke(main, ["augment", *words, *flags])

    return augment


def listing(folder):
    return sorted((path.relative_to(folder).as_posix(), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"edit": "beard=+1"}, "bundle 'tiny' has no edit 'beard': it has ['age', 'smile', 'yaw']"),
        ({"edit": "smile=lots"}, "expected an edit like smile=+1.5"),
        ({"edit": None}, "--edit is needed"),
        ({"bundle": "nonesuch"}, "no bundle 'nonesuch': expected one of ['embedded'] or a folder that holds a bundle"),
        ({"bundle": "s3://ab"}, "'ab' is no bucket name"),
        ({"source": "s3://photos/in?region=x"}, "with a query: leave out everything from '?' on"),
        ({"source": "s3://key:secret@photos/in"}, "got an S3 URI with a user in it"),
        ({"endpoint-url": "minio:9000", "source": "s3://photos"}, "minio:9000"),
        ({"detector": "magic"}, "--detector: Input should be 'centerface' or 'face-alignment'"),
        ({"target": "gs://bucket/out"}, "expected a folder (a path or file:///path) or s3://bucket/prefix, got gs://"),
        ({"source": "{tmp}/nowhere"}, "but it does not exist: check the spelling"),
        ({"source": "{tmp}/photos/table.jpg"}, "but it is a file: name its folder"),
        ({"source": "{tmp}/empty"}, "no photos in"),
        ({"target": "{tmp}/photos"}, "is the same folder as the source"),
        ({"target": "{tmp}/photos/../photos/"}, "is the same folder as the source"),
        ({"target": "{tmp}/photos/out"}, "is inside the source"),
        ({"target": "{tmp}/link/out"}, "is inside the source"),
        ({"target": "{tmp}"}, "is inside the target"),
        ({"request": "{tmp}/request.json"}, "unknown field 'edit'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_mistake_ends_with_two_says_what_to_do_and_leaves_no_trace(run, source, tmp_path, options, text):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no photo")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "request.json").write_text(json.dumps({"edit": "smile=+1"}))
    before = listing(tmp_path)
    result = run(**{name: value and value.format(tmp=tmp_path) for name, value in options.items()})
    assert result.exit_code == 2, result.output
    assert text in result.stderr
    assert result.stderr.startswith("oodinv: ") and "Traceback" not in result.output
    assert listing(tmp_path) == before


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(run, tmp_path):
    before = listing(tmp_path)
    result = run("--dry-run", edit="smile=+1,age=-2")
    assert result.exit_code == 0, result.output
    assert "4 photos" in result.output and "nothing was written" in result.output
    assert "faces-" in result.output and "age_m2.00-smile_p1.00-" in result.output
    assert listing(tmp_path) == before


def test_a_dry_run_of_a_sweep_names_every_product_and_warns_of_what_is_not_safe(run, tmp_path):
    before = listing(tmp_path)
    result = run("--dry-run", edit="smile=-4:0:3")
    assert result.exit_code == 0, result.output
    assert [f"smile_{step}-" in result.stdout for step in ("m4.00", "m2.00", "p0.00")] == [True] * 3
    assert result.stderr.count("smile=-4 (safe from -2 to 2)") == result.stderr.count("\n") == 1
    assert listing(tmp_path) == before


def test_a_dry_run_refuses_what_a_run_refuses(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run("--dry-run", edit="beard=1").exit_code == 2
    assert run("--dry-run", target=tmp_path / "photos").exit_code == 2
    assert run("--dry-run", source=tmp_path / "empty").exit_code == 2


@pytest.mark.parametrize("call", ["fsync", "link"])
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "No space left on device. Free some space (or raise the quota) and run the same command again"),
        (errno.EACCES, "Permission denied. Give this user the right to do it, or name another folder"),
        (errno.EROFS, "Read-only file system. Give this user the right"),
    ],
)
def test_a_target_that_cannot_be_written_ends_with_three_and_what_to_do(run, monkeypatch, number, text, call):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fails)
    result = run()
    assert result.exit_code == 3, result.output
    assert text in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize("missing", ["encoder.safetensors", "bundle.json"])
def test_a_bundle_with_a_file_missing_is_refused(tiny_bundle, tmp_path, missing):
    copy = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (copy / missing).unlink()
    result = CliRunner().invoke(main, ["bundle", "verify", str(copy)])
    assert result.exit_code == 2 and "bundle" in result.stderr


def test_help_needs_none_of_the_heavy_libraries(tmp_path):
    script = (
        "import sys\nfrom flows.cli import main\n"
        "main(['augment', '--help'], standalone_mode=False)\n"
        "heavy = ('torch', 'prefect', 'ray', 'numpy', 'pyarrow', 'PIL', 'vtk')\n"
        "print('LOADED', [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--max-failed-share" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"
