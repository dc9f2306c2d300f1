"""One photo, no ledger."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from oodinv.bundles.inverter import Inverter
from oodinv.edits import parse_edit
from oodinv.engine.photo import edit_face, invert_face, mask_pixels, put_back
from oodinv.faces import load_detector
from oodinv.faces.align import crop_transform
from oodinv.imaging.convert import to_uint8
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.encode import PhotoFormat, encode_photo

_FORMATS: dict[str, PhotoFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


class PhotoCommandError(ValueError):
    """The command cannot be done with this photo or output; the message says why."""


def edit_file(photo: Path, edit_text: str, out: Path, *, bundle: str, detector: str) -> int:
    """Edit all faces of a photo and write it; the number of faces.

    Raises:
        PhotoCommandError: None was found, the photo cannot be read, or the output not written: its suffix names no
            format, or it is the photo itself.
        EditError, BundleError, PhotoError, DetectorUnavailable: See their messages.
    """
    format_ = _FORMATS.get(out.suffix.lower())
    if format_ is None:
        raise PhotoCommandError(f"expected an output file ending in {', '.join(_FORMATS)}, got {out.name!r}")
    if out.exists() and out.samefile(photo):
        raise PhotoCommandError(f"{out} is the photo itself, which is never changed; name another file")
    edits = parse_edit(edit_text)
    inverter = Inverter.from_bundle(bundle)
    for edit in edits:
        inverter.check(edit)
    pixels = _read(photo)
    faces = load_detector(detector).detect(pixels)
    if not faces:
        raise PhotoCommandError(f"no face was found in {photo}")
    result = pixels
    for face in faces:
        inverted = invert_face(inverter, pixels, crop_transform(face, inverter.resolution))
        result = put_back(result, inverted.transform, edit_face(inverter, inverted, edits))
    _write(out, encode_photo(result, format=format_))
    return len(faces)


def invert_file(photo: Path, out: Path, *, bundle: str, detector: str) -> list[Path]:
    """Write the parts of every face: crop, plain and aligned generator image, mask, reconstruction.

    Raises:
        PhotoCommandError: None was found.
    """
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
