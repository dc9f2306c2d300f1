import io
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile
from skimage import data

from oodinv.imaging import DecodeLimits, PhotoError, decode_photo, encode_photo

FORMATS = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}, "BMP": {}}


def saved(image: Image.Image, format_name: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[80 : 80 + height, 190 : 190 + width])


def png_of(width: int, height: int, bit_depth: int, colour_type: int, rows: bytes, *extra: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refusal(content: bytes, limits: DecodeLimits | None = None) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode_photo(content, limits or DecodeLimits())
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_plain_photo_comes_out_as_it_is(format_name):
    pixels = picture()
    photo = decode_photo(saved(Image.fromarray(pixels), format_name, **FORMATS[format_name]))
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    assert photo.flags.writeable
    if format_name == "JPEG":
        assert np.abs(photo.astype(int) - pixels).mean() < 4
    else:
        assert (photo == pixels).all()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_becomes_upright(orientation, format_name):
    upright = picture()
    # What a camera held that way stores: the inverse of what makes it upright again.
    stored = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    photo = decode_photo(saved(image, format_name, exif=exif, **FORMATS[format_name]))
    assert photo.shape == upright.shape
    assert np.abs(photo.astype(int) - upright).mean() < (4 if format_name == "JPEG" else 0.001)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00MM\x00*\x00\x00\x00\xff", b"\x00" * 50])
def test_a_damaged_exif_block_is_ignored(exif):
    pixels = picture()
    assert (decode_photo(saved(Image.fromarray(pixels), "PNG", exif=exif)) == pixels).all()


def test_an_orientation_that_does_not_exist_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 99
    assert decode_photo(saved(Image.fromarray(picture()), "PNG", exif=exif)).shape == (40, 60, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_rgb(mode):
    image = Image.fromarray(picture()).convert(mode)
    assert (decode_photo(saved(image)) == np.asarray(image.convert("RGB"))).all()


def test_16_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    photo = decode_photo(saved(Image.fromarray(values)))
    assert photo[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (photo == photo[..., :1]).all()


def test_16_bit_colour_is_scaled():
    row = b"\x00" + struct.pack(">6H", 0, 32768, 65535, 65535, 0, 256)
    assert decode_photo(png_of(2, 1, 16, 2, row)).tolist() == [[[0, 128, 255], [255, 0, 1]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_show_white(mode):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = [0, 255, 128]
    image = Image.fromarray(pixels).convert(mode)
    photo = decode_photo(saved(image))
    assert photo[0, :, 0].tolist() == [255, 0, 127]


def test_a_transparent_palette_colour_and_a_transparent_key_colour_show_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    assert decode_photo(saved(palette, transparency=0)).tolist() == [[[255, 255, 255], [40, 50, 60]]]
    keyed = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert decode_photo(saved(keyed, transparency=(1, 2, 3))).tolist() == [[[255, 255, 255], [4, 5, 6]]]


def test_cmyk_without_a_profile_becomes_plain_rgb():
    pixels = picture()
    photo = decode_photo(saved(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(photo.astype(int) - pixels).mean() < 6


def test_ycck_becomes_rgb():
    # Components that mean a colour as CMYK mean grey as YCCK: brightness 100 and neutral chroma, stored inverted.
    cmyk = np.full((16, 16, 4), [255 - 100, 127, 127, 0], np.uint8)
    content = bytearray(saved(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=95))
    colour = decode_photo(bytes(content))[8, 8].astype(int)
    assert np.ptp(colour) > 20
    content[content.index(b"Adobe") + 11] = 2  # the marker's transform: 0 = CMYK, 2 = YCCK
    grey = decode_photo(bytes(content))[8, 8].astype(int)
    assert np.ptp(grey) <= 3


def swapped_profile() -> bytes:
    """An RGB profile whose red and green are exchanged: applied or not, one sees it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    entries = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(count)}
    red, green = (slice(entries[tag], entries[tag] + 8) for tag in (b"rXYZ", b"gXYZ"))
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be")).replace(b"sRGB", b"odd!")


def test_a_colour_profile_is_applied():
    pixels = np.full((4, 4, 3), [200, 60, 30], np.uint8)
    photo = decode_photo(saved(Image.fromarray(pixels), icc_profile=swapped_profile()))
    np.testing.assert_allclose(photo[0, 0], [60, 200, 30], atol=3)


def test_an_srgb_profile_changes_no_byte():
    pixels = picture()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (decode_photo(saved(Image.fromarray(pixels), icc_profile=profile)) == pixels).all()


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()[:200], b"\x00" * 300])
def test_a_broken_profile_is_ignored(profile):
    pixels = picture()
    assert (decode_photo(saved(Image.fromarray(pixels), icc_profile=profile)) == pixels).all()


def test_a_profile_for_other_pixels_is_ignored():
    image = Image.fromarray(picture()).convert("CMYK")
    plain = decode_photo(saved(image, "JPEG"))
    assert (decode_photo(saved(image, "JPEG", icc_profile=swapped_profile())) == plain).all()


def test_of_a_multi_picture_jpeg_the_main_picture_is_taken():
    first, second = Image.fromarray(picture()), Image.new("RGB", (60, 40), "red")
    buffer = io.BytesIO()
    first.save(buffer, "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(decode_photo(buffer.getvalue()).astype(int) - picture()).mean() < 5


def test_a_progressive_jpeg_and_a_picture_of_one_pixel_are_photos():
    assert decode_photo(saved(Image.fromarray(picture()), "JPEG", progressive=True)).shape == (40, 60, 3)
    assert decode_photo(saved(Image.new("RGB", (1, 1), "blue"))).tolist() == [[[0, 0, 255]]]


def test_an_empty_file_is_refused():
    assert refusal(b"").error_class == "empty"


def test_a_file_over_the_byte_limit_is_refused_before_anything_is_read():
    assert refusal(b"x" * 11, DecodeLimits(max_bytes=10)).error_class == "too-many-bytes"


def test_a_page_named_jpg_is_refused_with_its_first_bytes_escaped():
    error = refusal(b"<html>\n\x1b[31m\x00<title>404</title>")
    assert error.error_class == "not-an-image"
    assert r"'<html>\n\x1b[31m\x00<title>404" in str(error)


@pytest.mark.parametrize("name", ["GIF", "TIFF", "AVIF"])
def test_a_picture_of_another_kind_is_refused_by_its_name(name):
    error = refusal(saved(Image.fromarray(picture()), name))
    assert error.error_class == "unsupported-format"
    assert f"got a {name} file" in str(error)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
def test_a_file_that_ends_early_is_refused_as_truncated(format_name, share):
    whole = saved(Image.fromarray(picture(200, 200)), format_name, **FORMATS[format_name])
    assert refusal(whole[: int(len(whole) * share)]).error_class == "truncated"


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_signature_alone_is_truncated(format_name):
    whole = saved(Image.fromarray(picture()), format_name)
    assert refusal(whole[:14]).error_class == "truncated"


def test_a_damaged_png_is_refused_as_corrupt():
    whole = bytearray(saved(Image.fromarray(picture())))
    middle = len(whole) // 2
    whole[middle : middle + 20] = bytes(20)
    assert refusal(bytes(whole)).error_class == "corrupt"


def test_a_12_bit_jpeg_is_refused_as_unsupported():
    whole = bytearray(saved(Image.fromarray(picture()), "JPEG"))
    whole[whole.index(b"\xff\xc0") + 4] = 12
    assert refusal(bytes(whole)).error_class == "unsupported-mode"


def test_a_huge_picture_is_refused_by_its_header_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for width, height in [(10_000, 10_000), (30_000, 2), (60_000, 60_000)]:
            error = refusal(png_of(width, height, 8, 2, b""))
            assert error.error_class == "too-many-pixels"
            assert f"{width} x {height}" in str(error)


def test_a_huge_webp_is_refused_before_its_canvas_is_made():
    header = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(5)
    content = b"RIFF" + struct.pack("<I", 4 + len(header)) + b"WEBP" + header
    assert refusal(content).error_class == "too-many-pixels"


def test_own_limits_are_kept():
    content = saved(Image.fromarray(picture()))
    assert decode_photo(content, DecodeLimits(max_pixels=2400, max_side=60)).shape == (40, 60, 3)
    assert refusal(content, DecodeLimits(max_pixels=2399)).error_class == "too-many-pixels"
    assert refusal(content, DecodeLimits(max_side=59)).error_class == "too-many-pixels"
    with pytest.raises(ValueError, match="at least 1"):
        DecodeLimits(max_side=0)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
def test_an_animation_is_refused(format_name):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    error = refusal(saved(frames[0], format_name, save_all=True, append_images=frames[1:]))
    assert error.error_class == "animated"
    assert "3 pictures" in str(error)


def test_pixels_that_are_no_photo_are_refused():
    from oodinv.imaging.colour import to_rgb

    with pytest.raises(PhotoError) as caught:
        to_rgb(Image.new("F", (2, 2)))
    assert caught.value.error_class == "unsupported-mode"


@settings(max_examples=150, deadline=None)
@given(
    format_name=st.sampled_from(sorted(FORMATS)),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.binary(min_size=1, max_size=12),
)
def test_damage_anywhere_gives_a_photo_or_a_photo_error_and_nothing_else(format_name, place, damage):
    content = bytearray(saved(Image.fromarray(picture()), format_name))
    start = int(place * len(content))
    content[start : start + len(damage)] = damage
    try:
        photo = decode_photo(bytes(content), DecodeLimits(max_pixels=10_000))
    except PhotoError as error:
        assert len(str(error)) <= 300
        assert str(error).isprintable()
    else:
        assert photo.dtype == np.uint8


def test_the_global_switch_for_truncated_files_is_left_alone():
    decode_photo(saved(Image.fromarray(picture()), "JPEG"))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_an_error_is_bounded_printable_and_survives_a_process_border():
    error = PhotoError("corrupt", "bell \x07 and newline\n" + "x" * 1000)
    assert len(str(error)) == 300
    assert str(error).isprintable()
    # As between a worker process and its parent; only what this test itself wrote is unpickled.
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.error_class, str(copy)) == (error.error_class, str(error))


def test_what_was_encoded_without_loss_decodes_to_the_same_pixels():
    pixels = picture()
    assert (decode_photo(encode_photo(pixels, format="png")) == pixels).all()
