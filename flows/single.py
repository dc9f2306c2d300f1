"""One photo, no ledger."""

from pathlib import Path

from oodinv.bundles.inverter import Inverter
from oodinv.edits import parse_edit
from oodinv.engine.photo import edit_face, invert_face, mask_pixels, put_back
from oodinv.faces import load_detector
from oodinv.faces.align import crop_transform
from oodinv.imaging.convert import to_uint8
from oodinv.imaging.decode import decode_photo
from oodinv.imaging.encode import PhotoFormat, encode_photo

_FORMATS: dict[str, PhotoFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


class NoFace(ValueError):
    """There is no face in the photo."""


def edit_file(photo: Path, edit_text: str, out: Path, *, bundle: str, detector: str) -> int:
    """Edit all faces of a photo and write it; the number of faces.

    Raises:
        NoFace: None was found.
        EditError, BundleError, PhotoError, DetectorUnavailable: See their messages.
        ValueError: The output's suffix names no format that can be written.
    """
    format_ = _FORMATS.get(out.suffix.lower())
    if format_ is None:
        raise NoFace(f"expected an output file ending in {', '.join(_FORMATS)}, got {out.name!r}")
    edits = parse_edit(edit_text)
    inverter = Inverter.from_bundle(bundle)
    for edit in edits:
        inverter.check(edit)
    pixels = decode_photo(photo.read_bytes())
    faces = load_detector(detector).detect(pixels)
    if not faces:
        raise NoFace(f"no face was found in {photo}")
    result = pixels
    for face in faces:
        inverted = invert_face(inverter, pixels, crop_transform(face, inverter.resolution))
        result = put_back(result, inverted.transform, edit_face(inverter, inverted, edits))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode_photo(result, format=format_))
    return len(faces)


def invert_file(photo: Path, out: Path, *, bundle: str, detector: str) -> list[Path]:
    """Write the parts of every face: crop, plain and aligned generator image, mask, reconstruction.

    Raises:
        NoFace: None was found.
    """
    inverter = Inverter.from_bundle(bundle)
    pixels = decode_photo(photo.read_bytes())
    faces = load_detector(detector).detect(pixels)
    if not faces:
        raise NoFace(f"no face was found in {photo}")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for index, face in enumerate(faces):
        inverted = invert_face(inverter, pixels, crop_transform(face, inverter.resolution))
        inversion = inverted.inversion
        pictures = {
            name: to_uint8(getattr(inversion, name)[0].numpy())
            for name in ("crop", "plain", "generated", "reconstruction")
        }
        pictures["mask"] = mask_pixels(edit_face(inverter, inverted, ()))
        for name, picture in pictures.items():
            path = out / f"{index}_{name}.png"
            path.write_bytes(encode_photo(picture, format="png"))
            written.append(path)
    return written
