"""Files to pixels and back; the only room that knows bytes, EXIF, colour profiles and decompression bombs."""

from oodinv.imaging.convert import mask_to_uint8, to_crop, to_uint8
from oodinv.imaging.decode import DecodeLimits, decode_photo
from oodinv.imaging.encode import PhotoFormat, encode_photo
from oodinv.imaging.errors import PhotoError

__all__ = [
    "DecodeLimits",
    "PhotoError",
    "PhotoFormat",
    "decode_photo",
    "encode_photo",
    "mask_to_uint8",
    "to_crop",
    "to_uint8",
]
