"""Preview strips: photo, reconstruction, mask and result of one face, side by side."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from oodinv.engine.photo import EditedFace, InvertedFace, mask_pixels
from oodinv.faces.align import extract_crop
from oodinv.imaging.convert import to_uint8

TILE = 192
"""Side of each picture, in pixels."""
COLUMNS = ("photo", "reconstruction", "mask", "result")


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
    tiles = [
        to_uint8(extract_crop(photo, transform, TILE)),
        _resize(reconstruction),
        _resize(mask),
        to_uint8(extract_crop(out, transform, TILE)),
    ]
    return np.concatenate(tiles, axis=1)


def split_strip(strip: UInt8[np.ndarray, "tile four_tiles 3"]) -> dict[str, UInt8[np.ndarray, "tile tile 3"]]:
    """The pictures of a strip by their column."""
    return {name: strip[:, index * TILE : (index + 1) * TILE] for index, name in enumerate(COLUMNS)}


def _resize(pixels: UInt8[np.ndarray, "size size 3"]) -> UInt8[np.ndarray, "tile tile 3"]:
    return np.asarray(Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BICUBIC))
