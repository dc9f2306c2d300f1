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
from oodinv.models.decomposition import Composition
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
    """The edited crop: generated, with the crop where the mask says so."""
    ood_mask: Float32[np.ndarray, "1 size size"] = field(repr=False)
    """In steps of 1/255: where the mask's picture is white, the photo is kept bit for bit."""
    compose: ComposeMode
    id_similarity: float | None
    """Cosine of identity between the photographed crop and `reconstruction`; None without an identity network."""


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


def edit_face(
    inverter: Inverter, face: InvertedFace, edits: Sequence[Edit], composition: Composition | None = None
) -> EditedFace:
    """Edit an inverted face; without edits this is its reconstruction.

    Args:
        inverter: The model.
        face: What `invert_face` gave.
        edits: All at once.
        composition: See `Choices.edit_composition`; None = the bundle's own.
    """
    edited = inverter.edit(face.inversion, edits, composition) if edits else face.inversion
    # A residual of nothing is nothing: the reconstruction itself always replaces.
    compose: ComposeMode = choose_mode(face.transform) if edits else "replace"
    # As it is written: out of range a picture cannot be.
    similarity = inverter.similarity(edited.crop, edited.reconstruction.clamp(-1, 1))
    return EditedFace(
        generated=edited.generated[0].float().cpu().numpy(),
        identity=face.inversion.generated[0].float().cpu().numpy(),
        reconstruction=edited.reconstruction[0].float().cpu().numpy(),
        ood_mask=_to_eight_bits(edited.ood_mask[0].float().cpu().numpy()),
        compose=compose,
        id_similarity=None if similarity is None else float(similarity),
    )


def put_back(
    photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"], face: EditedFace
) -> UInt8[np.ndarray, "height width 3"]:
    """Compose an edited face into the photo; what the mask keeps stays bit for bit."""
    return compose_face(
        photo,
        transform,
        generated=face.generated,
        ood_mask=face.ood_mask,
        mode=face.compose,
        identity=face.identity if face.compose == "residual" else None,
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
