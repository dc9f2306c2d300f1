"""One photo, no ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from oodinv.bundles.inverter import Inverter
from oodinv.bundles.safe_range import warn_beyond_safe_range
from oodinv.edits import edit_slug, expand_edits, parse_edit
from oodinv.engine.photo import InvertedFace, edit_face, invert_face, mask_pixels, put_back
from oodinv.faces import load_detector
from oodinv.faces.align import crop_transform
from oodinv.imaging.convert import to_uint8
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.encode import PhotoFormat, encode_photo
from oodinv.imaging.provenance import Provenance
from oodinv.memory import keep_freed_memory
from oodinv.models.decomposition import Composition

_FORMATS: dict[str, PhotoFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


class PhotoCommandError(ValueError):
    """The command cannot be done with this photo or output; the message says why."""


@dataclass(frozen=True, kw_only=True)
class EditedFile:
    """What `edit_file` wrote."""

    paths: tuple[Path, ...]
    """One file for each edit."""
    num_faces: int


def edit_file(
    photo: Path,
    edit_text: str,
    out: Path,
    *,
    bundle: str,
    detector: str,
    composition: Composition | None = None,
) -> EditedFile:
    """Edit all faces of a photo and write it, once for every edit of a sweep.

    Args:
        photo: Decoded upright; never changed.
        edit_text: What `expand_edits` reads. More than one edit: the files are called `<stem>_<slug><suffix>`.
        out: File to write; its suffix says the format.
        bundle: A name or folder.
        detector: A name.
        composition: See `Choices.edit_composition`; None = the bundle's own.

    Raises:
        PhotoCommandError: None was found, the photo cannot be read, or the output not written: its suffix names no
            format, or it is the photo itself.
        EditError, BundleError, PhotoError, DetectorUnavailable: See their messages.
    """
    format_ = _FORMATS.get(out.suffix.lower())
    if format_ is None:
        raise PhotoCommandError(f"expected an output file ending in {', '.join(_FORMATS)}, got {out.name!r}")
    products = [parse_edit(text) for text in expand_edits(edit_text)]
    paths = [out.with_name(f"{out.stem}_{edit_slug(edits)}{out.suffix}") for edits in products]
    if len(products) == 1:
        paths = [out]
    for path in paths:
        if path.exists() and path.samefile(photo):
            raise PhotoCommandError(f"{path} is the photo itself, which is never changed; name another file")
    keep_freed_memory()
    inverter = Inverter.from_bundle(bundle)
    for edit in {edit for edits in products for edit in edits}:
        inverter.check(edit)
    warn_beyond_safe_range(inverter.bundle.spec, products)
    pixels = _read(photo)
    faces = load_detector(detector).detect(pixels)
    if not faces:
        raise PhotoCommandError(f"no face was found in {photo}")
    inverted: Iterable[InvertedFace] = (
        invert_face(inverter, pixels, crop_transform(face, inverter.resolution)) for face in faces
    )
    # Each face is inverted once. For one edit its tensors, a hundred megabytes at 1024 pixels, need not stay.
    if len(products) > 1:
        inverted = list(inverted)
    for path, edits in zip(paths, products, strict=True):
        result = pixels
        for face in inverted:
            result = put_back(result, face.transform, edit_face(inverter, face, edits, composition))
        provenance = Provenance(product=edit_slug(edits), fingerprint="", bundle_sha256=inverter.bundle.sha256)
        _write(path, encode_photo(result, format=format_, provenance=provenance))
    return EditedFile(paths=tuple(paths), num_faces=len(faces))


def invert_file(photo: Path, out: Path, *, bundle: str, detector: str) -> list[Path]:
    """Write the parts of every face: crop, plain and aligned generator image, mask, reconstruction.

    Raises:
        PhotoCommandError: None was found.
    """
    keep_freed_memory()
    inverter = Inverter.from_bundle(bundle)
    pixels = _read(photo)
    faces = load_detector(detector).detect(pixels)
    if not faces:
        raise PhotoCommandError(f"no face was found in {photo}")
    written = []
    for index, face in enumerate(faces):
        inverted = invert_face(inverter, pixels, crop_transform(face, inverter.resolution))
        inversion = inverted.inversion
        pictures = {
            name: to_uint8(getattr(inversion, name)[0].numpy()) for name in ("crop", "generated", "reconstruction")
        }
        pictures["plain"] = to_uint8(inverter.synthesise(inversion.w_plus)[0].numpy())
        pictures["mask"] = mask_pixels(edit_face(inverter, inverted, ()))
        for name, picture in pictures.items():
            path = out / f"{index}_{name}.png"
            _write(path, encode_photo(picture, format="png"))
            written.append(path)
    return written


def _read(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    try:
        return decode_photo(path.read_bytes())
    except OSError as error:
        raise PhotoCommandError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise PhotoCommandError(f"{path} cannot be written: {error.strerror}; name another place") from error
