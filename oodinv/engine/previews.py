"""Preview strips: photo, reconstruction, mask and result of one face, side by side."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from oodinv.engine.photo import EditedFace, InvertedFace, mask_pixels
from oodinv.engine.strips import COLUMNS, TILE
from oodinv.faces.align import extract_crop
from oodinv.imaging.convert import to_uint8


def preview_strip(
    photo: UInt8[np.ndarray, "height width 3"],
    out: UInt8[np.ndarray, "height width 3"],
    face: InvertedFace,
    edited: EditedFace,
) -> UInt8[np.ndarray, "tile four_tiles 3"]:
    """The four pictures of `COLUMNS`; photo and result are cut from the photos themselves, not from the crop."""
    size = face.inversion.crop.shape[-1]
    # The crop's transform, for a crop of another size.
    transform = face.transform.copy()
    transform[:, :2] *= size / TILE
    reconstruction = to_uint8(face.inversion.reconstruction[0].float().cpu().numpy())
    mask = np.repeat(mask_pixels(edited)[..., None], 3, axis=2)
    tiles = {
        "photo": to_uint8(extract_crop(photo, transform, TILE)),
        "reconstruction": _resize(reconstruction),
        "mask": _resize(mask),
        "result": to_uint8(extract_crop(out, transform, TILE)),
    }
    return np.concatenate([tiles[name] for name in COLUMNS], axis=1)


def _resize(pixels: UInt8[np.ndarray, "size size 3"]) -> UInt8[np.ndarray, "tile tile 3"]:
    return np.asarray(Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BICUBIC))
