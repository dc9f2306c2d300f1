"""Faces: cut out of photos, inverted once, then edited as often as asked, and put back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from oodinv.models.batching import join_inversions, split_inversion
from oodinv.models.decomposition import Composition
from oodinv.models.inversion import Inversion

ComposeMode = Literal["replace", "residual"]


@dataclass(frozen=True, kw_only=True)
class FaceCrop:
    """A face cut out of its photo."""

    transform: Float[np.ndarray, "2 3"]
    """Crop pixel to photo pixel."""

    pixels: Float32[np.ndarray, "3 size size"] = field(repr=False)
    """RGB in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class InvertedFace:
    """A face of a photo, inverted."""

    transform: Float[np.ndarray, "2 3"]
    inversion: Inversion = field(repr=False)
    """A batch of one."""

    @cached_property
    def ood_area(self) -> float:
        """Mean of the mask. Like the next, computed by whoever finishes the face, while the model goes on."""
        return float(self.inversion.ood_mask.mean())

    @cached_property
    def recon_psnr(self) -> float | None:
        """PSNR in dB of the aligned generated crop where the mask leaves it visible: weighted by 1 - mask.

        None where the mask leaves nothing visible; 99 for equal pictures.
        """
        inversion = self.inversion
        quality = float(psnr(inversion.generated, inversion.crop, 1 - inversion.ood_mask))
        return None if math.isnan(quality) else min(quality, 99.0)

    def without_guides(self) -> "InvertedFace":
        """The same, smaller: edits that predict masks anew take longer, and nothing else changes."""
        return replace(self, inversion=replace(self.inversion, guides={}))


@dataclass(frozen=True, kw_only=True)
class EditedFace:
    """A face of a photo, edited, as arrays ready to be put back."""

    generated: Float32[np.ndarray, "3 size size"] = field(repr=False)
    identity: Float32[np.ndarray, "3 size size"] = field(repr=False)
    """The unedited face as generated, for the residual."""
    ood_mask: Float32[np.ndarray, "1 size size"] = field(repr=False)
    """In steps of 1/255: where the mask's picture is white, the photo is kept bit for bit."""
    motion: Float32[np.ndarray, "2 size size"] | None = field(repr=False)
    """How far the edit moves what is kept, see `Inversion.motion`; None where nothing moves."""
    compose: ComposeMode
    id_similarity: float | None
    """Cosine of identity between the photographed crop and `reconstruction`; None without an identity network."""
    inversion: Inversion = field(repr=False)
    """What all this is of: a batch of one, where the model computes."""

    @cached_property
    def reconstruction(self) -> Float32[np.ndarray, "3 size size"]:
        """The edited crop: generated, with the crop, moved along, where the mask says so. A whole photo needs none."""
        return self.inversion.reconstruction[0].float().cpu().numpy()


def cut_face(
    photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"], crop_size: int
) -> FaceCrop:
    """Cut a face out, see `extract_crop`."""
    return FaceCrop(transform=transform, pixels=extract_crop(photo, transform, crop_size))


def invert_faces(inverter: Inverter, crops: Sequence[FaceCrop]) -> list[InvertedFace]:
    """Invert faces in one call of the networks, whatever photos they are of.

    The numbers of a batch depend in their last bits on its size. Where a photo's bytes must not depend on its
    neighbours, call this with one face.
    """
    # A copy gives the interpreter's lock away, and the model would wait for it behind every thread beside it.
    pixels = crops[0].pixels[None] if len(crops) == 1 else np.stack([crop.pixels for crop in crops])
    batch = inverter.invert(torch.from_numpy(pixels))
    return [
        InvertedFace(transform=crop.transform, inversion=inversion)
        for crop, inversion in zip(crops, split_inversion(batch), strict=True)
    ]


def edit_faces(
    inverter: Inverter, faces: Sequence[InvertedFace], edits: Sequence[Edit], composition: Composition | None = None
) -> list[Inversion]:
    """Edit inverted faces in one call of the networks; without edits these are their inversions.

    Args:
        inverter: The model.
        faces: What `invert_faces` gave.
        edits: All at once.
        composition: See `Choices.edit_composition`; None = the bundle's own.

    Returns:
        A batch of one for each face, where the model computes: `fetch_edited` makes arrays of it.
    """
    edited = [face.inversion for face in faces]
    if edits:
        edited = split_inversion(inverter.edit(join_inversions(edited), edits, composition))
    # What only another edit would need does not wait with them.
    edited = [replace(one, guides={}, feature_maps={}, content={}) for one in edited]
    if inverter.device.type == "cuda":
        torch.cuda.synchronize(inverter.device)  # what goes wrong and how long it takes belongs to this call
    return edited


def fetch_edited(inverter: Inverter, face: InvertedFace, edited: Inversion, edits: Sequence[Edit]) -> EditedFace:
    """One face that `edit_faces` edited, as arrays; one at a time, for they are larger than the photo."""
    # A residual of nothing is nothing: the reconstruction itself always replaces.
    compose: ComposeMode = choose_mode(face.transform) if edits else "replace"
    mask = _to_eight_bits(edited.ood_mask[0].float().cpu().numpy())
    motion = None if edited.motion is None else edited.motion[0].float().cpu().numpy()
    if motion is not None:
        # What has moved is kept, but is not the photo's byte at that place: not quite white.
        mask = np.where((motion != 0).any(axis=0), np.minimum(mask, np.float32(254) / np.float32(255)), mask)
    similarity = None
    if inverter.compares_identities:
        # As it is written: out of range a picture cannot be.
        similarity = inverter.similarity(edited.crop, edited.reconstruction.clamp(-1, 1))
    return EditedFace(
        generated=edited.generated[0].float().cpu().numpy(),
        identity=face.inversion.generated[0].float().cpu().numpy(),
        ood_mask=mask,
        motion=motion,
        compose=compose,
        id_similarity=None if similarity is None else float(similarity),
        inversion=edited,
    )


def invert_face(
    inverter: Inverter, photo: UInt8[np.ndarray, "height width 3"], transform: Float[np.ndarray, "2 3"]
) -> InvertedFace:
    """Cut one face out and invert it."""
    return invert_faces(inverter, [cut_face(photo, transform, inverter.resolution)])[0]


def edit_face(
    inverter: Inverter, face: InvertedFace, edits: Sequence[Edit], composition: Composition | None = None
) -> EditedFace:
    """Edit one inverted face, see `edit_faces`; without edits this is its reconstruction."""
    return fetch_edited(inverter, face, edit_faces(inverter, [face], edits, composition)[0], edits)


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
