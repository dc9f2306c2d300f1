"""Every pixel layout a decoder hands out, to 8-bit sRGB."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms

from oodinv.imaging.errors import PhotoError

_PROFILE_SPACES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_SUPPORTED_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16")


def to_rgb(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """Convert a loaded picture to sRGB.

    Convention:
        Transparency is composited over white, as a page would show it. 16-bit grey is scaled (65535 becomes 255),
        not clipped. A colour profile that fits the pixels is applied, unless it already is sRGB; a broken or
        unfitting one is ignored, since a wrong profile says nothing against the pixels.

    Raises:
        PhotoError: `unsupported-mode`, for pixel layouts that are not photos (32-bit integers, floats, Lab).
    """
    if image.mode not in _SUPPORTED_MODES:
        raise PhotoError(
            "unsupported-mode",
            f"expected 8-bit colour, grey or CMYK pixels, got Pillow mode {image.mode!r}; save the photo as 8-bit RGB",
        )
    profile = image.info.get("icc_profile")
    if image.mode == "I;16":
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        overlay = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), overlay).convert("RGB")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    if profile:
        image = _through_profile(image, profile)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        fits = _PROFILE_SPACES.get(source.profile.xcolor_space.strip()) == image.mode
        if not fits or "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    return image if converted is None else converted
