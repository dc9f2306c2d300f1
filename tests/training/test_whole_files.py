"""Files that trainings leave are whole or not there."""

import errno
import os

import pytest

from oodinv.training.atomic import write_whole


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "weights.npy"
    write_whole(path, b"old")
    assert path.read_bytes() == b"old"

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new and longer")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
