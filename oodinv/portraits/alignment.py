"""From a rendered portrait to an aligned crop with its masks, by the way every user's photo goes."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from oodinv.faces.resample import apply_affine, resample, scale_of
from oodinv.portraits.studio import Portrait


@dataclass(frozen=True, kw_only=True)
class AlignedPortrait:
    """One aligned crop. Masks are the covered share of each pixel, 0 … 255, as in `Portrait`."""

    crop: UInt8[np.ndarray, "3 size size"]
    accessory: UInt8[np.ndarray, "size size"]
    silhouette: UInt8[np.ndarray, "size size"]


def align(portrait: Portrait, transform: Float[np.ndarray, "2 3"], crop_size: int) -> AlignedPortrait:
    """Cut photo and masks by one crop transform; beyond the photo, which is mirrored there, the masks are 0."""
    border = _overhang(transform, crop_size, portrait.silhouette.shape)
    around = ((border, border), (border, border), (0, 0))
    masks = np.stack([portrait.silhouette, portrait.accessory_mask], axis=-1)
    if not portrait.accessory_mask.any():
        masks = masks[..., :1]
    # One resampling of all layers within a border that no crop reaches beyond.
    layers = np.concatenate([np.pad(portrait.photo, around, mode="symmetric"), np.pad(masks, around)], axis=-1)
    shifted = transform + np.array([[0, 0, border], [0, 0, border]])
    cut = _to_bytes(resample(layers, shifted, crop_size, crop_size).transpose(2, 0, 1) / 127.5 - 1)
    accessory = cut[4] if len(cut) > 4 else np.zeros_like(cut[3])
    return AlignedPortrait(crop=cut[:3], accessory=accessory, silhouette=cut[3])


def _overhang(transform: Float[np.ndarray, "2 3"], crop_size: int, shape: tuple[int, ...]) -> int:
    """At least the pixels by which a crop, and what its resampling looks at, reaches beyond a photo of this shape.

    Whole boxes of those that the resampling averages first, so that they lie on the photo as they lie on the masks.
    """
    corners = apply_affine(transform, crop_size * np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]]))
    beyond = max(-float(corners.min()), float((corners - [shape[1], shape[0]]).max()), 0.0)
    scale = scale_of(transform)
    box = max(1, math.floor(scale))
    return math.ceil((beyond + 2 * scale + 2) / box) * box


def _to_bytes(crop: Float32[np.ndarray, "layers size size"]) -> UInt8[np.ndarray, "layers size size"]:
    return np.round((crop + 1) * 127.5).astype(np.uint8)
