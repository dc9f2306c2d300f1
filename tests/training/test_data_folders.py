"""Folders of photos as datasets: caches, labels, and what is wrong with some of them."""

import errno
import logging
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from oodinv.training.data import DatasetError, open_dataset

SIDE, COUNT = 24, 6


@pytest.fixture
def photos(tmp_path):
    """Six PNG images in two folders below one."""
    folder, rng = tmp_path / "faces", np.random.default_rng(1)
    for number in range(COUNT):
        path = folder / f"{number // 4:05d}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
    return folder


def opened(*folders, **options):
    return open_dataset(list(folders), progress=False, **options)


def paths(folder):
    return sorted(folder.rglob("*.png"))


def test_a_nested_folder_is_read_in_order_of_its_paths(photos):
    data = opened(photos)
    assert len(data) == COUNT and data.size == SIDE
    assert not data.has_masks and data.params is None and data.landmarks is None and not data.left_out
    for number, path in enumerate(paths(photos)):
        expected = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 127.5 - 1
        torch.testing.assert_close(data.crops(np.array([number]))[0], expected)


def test_decoding_when_needed_gives_what_the_cache_gives(photos):
    cached, lazy = opened(photos, size=12), opened(photos, size=12, cache_gib=0.0)
    assert list(photos.glob("cache/12px-*/crops.npy"))
    index = np.array([5, 0, 5, 3])
    assert torch.equal(cached.crops(index), lazy.crops(index))
    assert cached.crops(np.array([], dtype=int)).shape == lazy.crops(np.array([], dtype=int)).shape == (0, 3, 12, 12)


def test_larger_photos_are_averaged_down(photos):
    whole, small = opened(photos), opened(photos, size=12)
    index = np.arange(COUNT)
    # Rows, then columns are averaged and rounded to bytes.
    torch.testing.assert_close(whole.crops(index, 12), small.crops(index), atol=1.01 / 127.5, rtol=0)


def test_a_folder_is_decoded_once_and_again_when_a_file_changes(photos, monkeypatch):
    from oodinv.training.data import examine

    looks = []
    look = examine._look
    monkeypatch.setattr(examine, "_look", lambda record, size: looks.append(record.name) or look(record, size))
    opened(photos, size=12)
    opened(photos, size=12)
    assert len(looks) == COUNT
    Image.fromarray(np.full((SIDE, SIDE, 3), 9, np.uint8)).save(paths(photos)[2])
    changed = opened(photos, size=12)
    assert len(looks) == 2 * COUNT
    assert (changed.crops(np.array([2])) == 9 / 127.5 - 1).all()


def test_a_damaged_cache_is_built_again(photos):
    before = opened(photos, size=12).crops(np.arange(COUNT))
    next(photos.glob("cache/*/crops.npy")).write_bytes(b"not an array")
    assert torch.equal(opened(photos, size=12).crops(np.arange(COUNT)), before)


def test_the_cache_can_lie_elsewhere_and_images_in_it_are_no_samples(photos, tmp_path):
    elsewhere = opened(photos, cache=tmp_path / "fast disk")
    assert not (photos / "cache").exists() and list((tmp_path / "fast disk").glob("24px-*"))
    (photos / "cache").mkdir()
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(photos / "cache" / "no sample.png")
    assert len(opened(photos)) == len(elsewhere) == COUNT


def test_a_cache_below_a_file_is_told(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="name another folder for it"):
        opened(photos, cache=tmp_path / "file" / "cache")


def test_a_dataset_beside_which_nothing_can_be_written_is_read_nevertheless(photos, caplog):
    expected = opened(photos).crops(np.arange(COUNT))
    kept = list((photos / "cache").glob("24px-*"))
    shutil.rmtree(photos / "cache")
    (photos / "cache").write_text("in the way of a folder, as a read-only disk would be")
    with caplog.at_level(logging.WARNING):
        data = opened(photos)
    assert kept and torch.equal(data.crops(np.arange(COUNT)), expected)
    assert "decoded crops cannot be kept" in caplog.text and "name a folder with room as cache" in caplog.text


@pytest.mark.parametrize("rows", [0, 3])
def test_a_disk_that_fills_up_leaves_no_half_cache_and_the_crops_are_decoded(photos, tmp_path, monkeypatch, rows):
    from oodinv.training.data import cache

    write, written = cache._LayerFile.write, []

    def full(self, row, pixels):
        if row >= rows:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(row)
        write(self, row, pixels)

    expected = opened(photos, cache_gib=0.0).crops(np.arange(COUNT))
    monkeypatch.setattr(cache._LayerFile, "write", full)
    assert torch.equal(opened(photos).crops(np.arange(COUNT)), expected)
    assert len(written) == rows and not [path for path in (photos / "cache").iterdir() if path.is_dir()]
    with pytest.raises(DatasetError, match="No space left on device; free space, or name another folder"):
        opened(photos, cache=tmp_path / "elsewhere")


def test_what_killed_processes_and_earlier_contents_left_in_a_cache_goes(photos, tmp_path):
    cache, other = tmp_path / "cache", tmp_path / "other"
    shutil.copytree(photos, other)
    paths(other)[0].unlink()
    for folder, size in ((photos, 12), (photos, None), (other, 12)):
        opened(folder, size=size, cache=cache)
    before = sorted(cache.glob("*px-*"))
    (cache / "partial-12345").mkdir()
    (cache / "partial-12345" / "crops.npy").write_bytes(b"half")
    (cache / "mine").mkdir()
    opened(photos, size=12, cache=cache)
    assert not list(cache.glob("partial-*")) and (cache / "mine").exists()
    assert sorted(cache.glob("*px-*")) == before and len(before) == 3
    paths(photos)[0].unlink()
    paths(photos)[0].unlink()
    opened(photos, size=12, cache=cache)
    after = set(cache.glob("*px-*"))
    assert len(after) == 2 and len(after & set(before)) == 1  # the other folder's crops stay


def test_broken_and_oblong_images_are_listed_and_left_out(photos, caplog):
    cut = paths(photos)[1]
    cut.write_bytes(cut.read_bytes()[:200])
    Image.new("RGB", (30, 20)).save(photos / "oblong.png")
    (photos / "text.jpg").write_text("not a picture")
    with caplog.at_level(logging.WARNING):
        data = opened(photos, max_broken_share=0.5)
    assert len(data) == COUNT - 1
    told = {os.path.basename(what.where): what.reason for what in data.left_out}
    assert told.keys() == {cut.name, "oblong.png", "text.jpg"}
    assert "not square: 30x20" in told["oblong.png"] and "not a readable picture" in told["text.jpg"]
    assert "3 samples are left out, of 5 used" in caplog.text


@pytest.mark.parametrize("kind", ["EPS", "GIF", "PPM", "TGA"])
def test_formats_that_are_no_photo_formats_are_not_parsed_under_a_photos_name(photos, monkeypatch, kind):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **kwargs: pytest.fail("a program was started"))
    Image.new("RGB", (SIDE, SIDE)).save(photos / "disguised.png", format=kind)
    for cache_gib in (0.0, 1.0):
        data = opened(photos, max_broken_share=0.5, cache_gib=cache_gib)
        assert len(data) == COUNT and "not a readable picture" in data.left_out[0].reason


def test_files_far_longer_than_a_picture_are_not_read(photos):
    with (photos / "sparse.png").open("wb") as file:
        file.truncate(1 << 34)
    data = opened(photos, max_broken_share=0.5)
    assert len(data) == COUNT and f"{1 << 34} bytes, at most" in data.left_out[0].reason


def test_more_broken_images_than_allowed_are_an_error_that_names_them(photos):
    paths(photos)[0].write_bytes(b"")
    with pytest.raises(DatasetError, match=r"1 of 6 samples .* are broken, more than the share of 0.01 .*00000.png"):
        opened(photos)


def test_the_same_picture_twice_counts_once_also_across_folders(photos, tmp_path):
    (photos / "copy.png").write_bytes(paths(photos)[0].read_bytes())
    other = tmp_path / "more"
    other.mkdir()
    (other / "again.png").write_bytes(paths(photos)[4].read_bytes())
    Image.fromarray(np.full((SIDE, SIDE, 3), 77, np.uint8)).save(other / "new.png")
    data = opened(photos, other)
    assert len(data) == COUNT + 1 and len(set(data.hashes)) == COUNT + 1
    assert [os.path.basename(what.where) for what in data.left_out] == ["copy.png", "again.png"]
    assert all("the same content as" in what.reason for what in data.left_out)


def test_crops_smaller_than_asked_are_refused(photos):
    with pytest.raises(DatasetError, match=r"6 of 6 crops are smaller than the 32 pixels .*00000.png has 24"):
        opened(photos, size=32)


def test_labels_come_from_a_table(photos):
    lines = [f"{path.relative_to(photos).as_posix()},{number}.5" for number, path in enumerate(paths(photos))]
    (photos / "labels.csv").write_text("\n".join(["file,age", *lines]))
    assert opened(photos).labels["age"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,age\na,1\n", "expected a column `file`"),
        ("file,age\n00000.png,old\n", "line 2: expected a number for 'age', got 'old'"),
        ("file,age\n00000.png,nan\n", "expected a number"),
        ("file,../../escaped\n00000.png,1\n", r"a label cannot be called '\.\./\.\./escaped'"),
        ("file,..\n00000.png,1\n", r"a label cannot be called '\.\.'.* rename it"),
        ("file,age\n00000.png,1\n", "no line for 5 of 6 images"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(photos, table, message):
    (photos / "labels.csv").write_text(table)
    with pytest.raises(DatasetError, match=message):
        opened(photos)


def test_folders_without_images_are_told_apart(tmp_path):
    with pytest.raises(DatasetError, match="is not a folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no images"):
        opened(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(DatasetError, match="not rendered to its end: run the same"):
        opened(tmp_path)


def test_a_file_that_vanishes_after_opening_stops_with_its_name(photos):
    data = opened(photos, cache_gib=0.0)
    paths(photos)[3].unlink()
    with pytest.raises(DatasetError, match=r"00003\.png was changed since the dataset was opened"):
        data.crops(np.array([3]))
