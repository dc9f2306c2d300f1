"""From a rendered portrait to an aligned crop with its masks, by the way every user's photo goes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from oodinv.faces import extract_crop
from oodinv.portraits.studio import Portrait


@dataclass(frozen=True, kw_only=True)
class AlignedPortrait:
    """One aligned crop. Masks are the covered share of each pixel, 0 … 255, as in `Portrait`."""

    crop: UInt8[np.ndarray, "3 size size"]
    accessory: UInt8[np.ndarray, "size size"]
    silhouette: UInt8[np.ndarray, "size size"]


def align(portrait: Portrait, transform: Float[np.ndarray, "2 3"], crop_size: int) -> AlignedPortrait:
    """Cut photo and masks by one crop transform; beyond the photo, which is mirrored there, the masks are 0."""
    crop = extract_crop(portrait.photo, transform, crop_size)
    height, width = portrait.photo.shape[:2]
    # An empty border as wide as the photo keeps the resampling from mirroring the masks.
    layers = np.stack([portrait.accessory_mask, portrait.silhouette, np.zeros_like(portrait.silhouette)], axis=-1)
    padded = np.pad(layers, ((height, height), (width, width), (0, 0)))
    masks = _to_bytes(extract_crop(padded, transform + np.array([[0, 0, width], [0, 0, height]]), crop_size))
    return AlignedPortrait(crop=_to_bytes(crop), accessory=masks[0], silhouette=masks[1])


def _to_bytes(crop: Float32[np.ndarray, "3 size size"]) -> UInt8[np.ndarray, "3 size size"]:
    return np.round((crop + 1) * 127.5).astype(np.uint8)
