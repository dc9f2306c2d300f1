"""One photo: its faces inverted once, then edited as often as asked, and put back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from oodinv.bundles.inverter import Inverter
from oodinv.edits import Edit
from oodinv.faces.align import extract_crop
from oodinv.faces.compose import choose_mode, compose_face
from oodinv.imaging.convert import mask_to_uint8, to_uint8
from oodinv.metrics.psnr import psnr
from oodinv.models.inversion import Inversion

ComposeMode = Literal["replace", "residual"]


@dataclass(frozen=True, kw_only=True)
class InvertedFace:
    """A face of a photo, inverted."""

    transform: Float[np.ndarray, "2 3"]
    inversion: Inversion = field(repr=False)
    """A batch of one."""

    ood_area: float
    """Mean of the mask."""

    recon_psnr: float | None
    """PSNR in dB of the aligned generated crop where the mask leaves it visible: weighted by 1 - mask.

    None where the mask leaves nothing visible; 99 for equal pictures.
    """


@dataclass(frozen=True, kw_only=True)
class EditedFace:
    """A face of a photo, edited, as arrays ready to be put back."""

    generated: Float32[np.ndarray, "3 size size"] = field(repr=False)
    identity: Float32[np.ndarray, "3 size size"] = field(repr=False)
    """The unedited face as generated, for the residual."""
    reconstruction: Float32[np.ndarray, "3 size size"] = field(repr=False)
    """The edited crop: generated, with the crop, moved along, where the mask says so."""
    ood_mask: Float32[np.ndarray, "1 size size"] = field(repr=False)
    """In steps of 1/255: where the mask's picture is white, the photo is kept bit for bit."""
    motion: Float32[np.ndarray, "2 size size"] | None = field(repr=False)
    """How far the edit moves what is kept, see `Inversion.motion`; None where nothing moves."""
    compose: ComposeMode


def invert_face(
    inverter: Inverter, photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"]
) -> InvertedFace:
    """Cut a face out and invert it.

    One face per call of the networks: on a CPU larger batches gain nothing, and the numbers of a batch depend in their
    last bits on its size, which would make a photo's bytes depend on its neighbours.
    """
    crop = torch.from_numpy(extract_crop(photo, transform, inverter.resolution))[None]
    inversion = inverter.invert(crop)
    quality = float(psnr(inversion.generated, inversion.crop, 1 - inversion.ood_mask))
    return InvertedFace(
        transform=transform,
        inversion=inversion,
        ood_area=float(inversion.ood_mask.mean()),
        recon_psnr=None if math.isnan(quality) else min(quality, 99.0),
    )


def edit_face(inverter: Inverter, face: InvertedFace, edits: Sequence[Edit]) -> EditedFace:
    """Edit an inverted face; without edits this is its reconstruction."""
    edited = inverter.edit(face.inversion, edits) if edits else face.inversion
    # A residual of nothing is nothing: the reconstruction itself always replaces.
    compose: ComposeMode = choose_mode(face.transform) if edits else "replace"
    mask = _to_eight_bits(edited.ood_mask[0].float().cpu().numpy())
    motion = None if edited.motion is None else edited.motion[0].float().cpu().numpy()
    if motion is not None:
        # What has moved is kept, but is not the photo's byte at that place: not quite white.
        mask = np.where((motion != 0).any(axis=0), np.minimum(mask, np.float32(254) / np.float32(255)), mask)
    return EditedFace(
        generated=edited.generated[0].float().cpu().numpy(),
        identity=face.inversion.generated[0].float().cpu().numpy(),
        reconstruction=edited.reconstruction[0].float().cpu().numpy(),
        ood_mask=mask,
        motion=motion,
        compose=compose,
    )


def put_back(
    photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"], face: EditedFace
) -> UInt8[np.ndarray, "height width 3"]:
    """Compose an edited face into the photo; what the mask keeps in its place stays bit for bit."""
    return compose_face(
        photo,
        transform,
        generated=face.generated,
        ood_mask=face.ood_mask,
        mode=face.compose,
        identity=face.identity if face.compose == "residual" else None,
        motion=face.motion,
    )


def crop_pixels(face: EditedFace) -> UInt8[np.ndarray, "size size 3"]:
    """The edited crop as a picture."""
    return to_uint8(face.reconstruction)


def mask_pixels(face: EditedFace) -> UInt8[np.ndarray, "size size"]:
    """The mask as a grey picture; white is kept from the photo."""
    return mask_to_uint8(face.ood_mask)


def _to_eight_bits(mask: Float32[np.ndarray, "1 size size"]) -> Float32[np.ndarray, "1 size size"]:
    # A sigmoid never reaches 1; without this no pixel inside a crop would be kept exactly.
    return np.rint(mask.clip(0, 1) * 255).astype(np.float32) / np.float32(255)
