import logging

import numpy as np
import pytest
import torch
from PIL import Image

from oodinv.training.data import DatasetError
from oodinv.training.occlusions import paste_occlusions
from oodinv.training.photographs import read_photographs


def test_photographs_of_any_shape_give_their_central_squares(tmp_path, caplog):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (200, 100, 50)
    Image.fromarray(wide).save(tmp_path / "0.png")
    Image.fromarray(wide.transpose(1, 0, 2)).convert("RGBA").save(tmp_path / "1.png")
    Image.new("RGB", (300, 200), (200, 100, 50)).save(tmp_path / "2.bmp")
    (tmp_path / "3.jpg").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        found = read_photographs(tmp_path, 16)
    assert found.dtype == torch.uint8 and found.shape == (3, 3, 16, 16)
    assert (found == torch.tensor([200, 100, 50], dtype=torch.uint8)[:, None, None]).all()
    assert "3.jpg: not a readable picture" in caplog.text


def test_of_many_photographs_some_are_taken_spread_over_the_folder(tmp_path):
    for number in range(10):
        Image.new("L", (9, 8), 20 * number).save(tmp_path / f"{number}.png")
    found = read_photographs(tmp_path, 4, most=4)
    assert found[:, 0, 0, 0].tolist() == [0, 60, 120, 180]


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no photographs that can be read"):
        read_photographs(tmp_path, 8)
    with pytest.raises(DatasetError, match="not a folder"):
        read_photographs(tmp_path / "nowhere", 8)


def test_bytes_and_numbers_are_pasted_alike():
    crop = torch.zeros(8, 3, 32, 32)
    photographs = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    results = [
        paste_occlusions(crop, share=1.0, rng=torch.Generator().manual_seed(1), photographs=pictures)[0]
        for pictures in (photographs, photographs.float() / 127.5 - 1)
    ]
    assert torch.equal(*results) and results[0].abs().max() > 0.5
