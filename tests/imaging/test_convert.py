import numpy as np
import pytest

from oodinv.imaging import mask_to_uint8, to_crop, to_uint8


def test_every_byte_survives_there_and_back():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    crop = to_crop(pixels)
    assert crop.shape == (3, 16, 16)
    assert crop.min() == -1
    assert crop.max() == 1
    assert (to_uint8(crop) == pixels).all()


def test_values_are_rounded_and_clamped():
    values = np.array([-9, -1, -1 + 0.9 / 127.5, 0, 1, 9], dtype=np.float32)
    crop = np.broadcast_to(values, (3, 1, 6)).copy()
    assert to_uint8(crop)[0, :, 1].tolist() == [0, 0, 1, 128, 255, 255]


def test_a_mask_of_one_is_white():
    mask = np.array([[[0, 0.5, 1, 1.2, -0.1]]], dtype=np.float32)
    assert mask_to_uint8(mask).tolist() == [[0, 128, 255, 255, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_picture_of_no_numbers_is_refused(bad):
    with pytest.raises(ValueError, match="NaN or infinity"):
        to_uint8(np.full((3, 2, 2), bad, np.float32))
    with pytest.raises(ValueError, match="NaN or infinity"):
        mask_to_uint8(np.full((1, 2, 2), bad, np.float32))
