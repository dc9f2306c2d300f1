import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from oodinv.imaging import encode_photo

PHOTO = np.ascontiguousarray(data.astronaut()[:100, 150:300])


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[..., 0], PHOTO[:, ::-1]], ids=["rgb", "grey", "mirrored view"])
def test_the_same_pixels_give_the_same_bytes_of_the_asked_kind(format_name, pixels):
    content = encode_photo(pixels, format=format_name)
    assert content == encode_photo(pixels.copy(), format=format_name)
    image = Image.open(io.BytesIO(content))
    assert image.format == format_name.upper()
    assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info)
    decoded = np.asarray(image.convert("RGB" if pixels.ndim == 3 else "L")).astype(int)
    assert np.abs(decoded - pixels).mean() < 3


def test_png_keeps_every_pixel():
    assert (np.asarray(Image.open(io.BytesIO(encode_photo(PHOTO, format="png")))) == PHOTO).all()


@pytest.mark.parametrize("format_name", ["jpeg", "webp"])
def test_a_higher_quality_takes_more_bytes_and_comes_closer(format_name):
    sizes, errors = [], []
    for quality in (20, 60, 95):
        content = encode_photo(PHOTO, format=format_name, quality=quality)
        sizes.append(len(content))
        errors.append(np.abs(np.asarray(Image.open(io.BytesIO(content))).astype(int) - PHOTO).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_jpeg_keeps_the_resolution_of_colours():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = [255, 0, 0]
    stripes[:, 1::2] = [0, 0, 255]
    decoded = np.asarray(Image.open(io.BytesIO(encode_photo(stripes, format="jpeg")))).astype(int)
    assert np.abs(decoded - stripes).mean() < 12  # with halved colour resolution it is over 60


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(ValueError, match="1 to 100, got 0"):
        encode_photo(PHOTO, format="jpeg", quality=0)
    with pytest.raises(ValueError, match=r"1 to 16383 for webp, got 16384 x 1"):
        encode_photo(np.zeros((1, 16384, 3), np.uint8), format="webp")
    with pytest.raises(ValueError, match=r"got 0 x 4"):
        encode_photo(np.zeros((4, 0, 3), np.uint8), format="png")
